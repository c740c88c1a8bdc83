#include "plugin.h"

#include "library.h"
#include "lmptype.h"

#include <mpi.h>
#include <string>

namespace {

// Only the C library interface is used here: it alone is stable from one LAMMPS version to the
// next.

bool runs_with_other_mpi()
{
  char text[MPI_MAX_LIBRARY_VERSION_STRING] = "";
  int length = 0;
  MPI_Get_library_version(text, &length);
  const bool open_mpi = std::string(text).find("Open MPI") != std::string::npos;
#ifdef OMPI_MAJOR_VERSION
  return !open_mpi;
#else
  return open_mpi;
#endif
}

std::string refusal(void *lmp)
{
  const int version = lammps_version(lmp);
  if (version != HOPKIN_LAMMPS_VERSION)
    return "hopkin's plugin was built against LAMMPS " + std::to_string(HOPKIN_LAMMPS_VERSION) +
           " but this is LAMMPS " + std::to_string(version) +
           ": build the plugin against this LAMMPS (cmake -D LAMMPS_ROOT=...)";
  const int tagint_bytes = lammps_extract_setting(lmp, "tagint");
  if (tagint_bytes != static_cast<int>(sizeof(LAMMPS_NS::tagint)))
    return "hopkin's plugin was built for " + std::to_string(8 * sizeof(LAMMPS_NS::tagint)) +
           "-bit atom IDs but this LAMMPS uses " + std::to_string(8 * tagint_bytes) +
           "-bit ones: build the plugin against this LAMMPS (cmake -D LAMMPS_ROOT=...)";
  if (runs_with_other_mpi())
    return "hopkin's plugin was built with another MPI than this LAMMPS runs with: build the "
           "plugin "
           "against this LAMMPS (cmake -D LAMMPS_ROOT=...)";
  return {};
}

void *refuse(void *lmp)
{
  lammps_error(lmp, LMP_ERROR_ALL | LMP_ERROR_WORLD, refusal(lmp).c_str());
  return nullptr;
}

}    // namespace

void hopkin::register_pair_style(const char *name, const char *info, lammpsplugin_factory1 *creator,
                                 void *lmp, void *handle, void *regfunc)
{
  lammpsplugin_t plugin{};
  plugin.version = HOPKIN_LAMMPS_VERSION_STRING;
  plugin.style = "pair";
  plugin.name = name;
  plugin.info = info;
  plugin.author = "the hopkin developers";
  plugin.creator.v1 = refusal(lmp).empty() ? creator : &refuse;
  plugin.handle = handle;
  reinterpret_cast<lammpsplugin_regfunc>(regfunc)(&plugin, lmp);
}
