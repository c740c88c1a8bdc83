"""What LAMMPS needs to run a model: a service that evaluates it, or the libraries of its family."""

import os
import sysconfig

from hopkin.drivers.models import environments
from hopkin.drivers.models.model import Model
from hopkin.drivers.models.service import service_of


def lammps_environment(model: Model) -> dict[str, str]:
    """Environment variables with which LAMMPS runs a model; its service is there until this process ends.

    Raises
    ------
    ModelError, MachineError
        see `service.service_of`
    """
    if model.route == "service":
        return {"HOPKIN_SERVICE": str(service_of(model))}
    if model.route == "mliap":  # the Python inside of LAMMPS imports hopkin
        path = [sysconfig.get_path("purelib"), *filter(None, [os.environ.get("PYTHONPATH")])]
        return {"HOPKIN_SERVICE": str(service_of(model)), "PYTHONPATH": os.pathsep.join(path)}
    packages = environments.site_packages(model.interpreter())
    libraries = {
        "HOPKIN_TORCH_DIR": packages / "torch" / "lib",
        "HOPKIN_TENSORFLOW_DIR": packages / "tensorflow",
    }
    return {name: str(path) for name, path in libraries.items() if path.is_dir()}
