// Hands the atoms of a replica to a model in Python (hopkin.drivers.models.bridge) and takes back
// what it says. Python's own symbols come from the process: see libpython.h.

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "evaluator.h"
#include "libpython.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>

namespace {

class Gil final {
 public:
  Gil() : state_(PyGILState_Ensure()) {}
  ~Gil() { PyGILState_Release(state_); }
  Gil(const Gil &) = delete;
  Gil &operator=(const Gil &) = delete;

 private:
  PyGILState_STATE state_;
};

struct Decref {
  void operator()(PyObject *object) const { Py_DECREF(object); }
};
using Object = std::unique_ptr<PyObject, Decref>;

std::string text_of(PyObject *object)
{
  const Object text(object ? PyObject_Str(object) : nullptr);
  const char *characters = text ? PyUnicode_AsUTF8(text.get()) : nullptr;
  PyErr_Clear();
  return characters ? characters : "";
}

// The pending Python exception as one line: its message, after its type unless it is one of
// hopkin's own.
[[noreturn]] void throw_python_error()
{
  PyObject *type = nullptr, *value = nullptr, *traceback = nullptr;
  PyErr_Fetch(&type, &value, &traceback);
  PyErr_NormalizeException(&type, &value, &traceback);
  const Object owned_type(type), owned_value(value), owned_traceback(traceback);
  std::string message = text_of(value);
  const Object module(PyObject_GetAttrString(type, "__module__"));
  PyErr_Clear();
  if (text_of(module.get()).rfind("hopkin.", 0) != 0)
    message = std::string(reinterpret_cast<PyTypeObject *>(type)->tp_name) + ": " + message;
  std::replace(message.begin(), message.end(), '\n', ' ');
  throw std::runtime_error(message);
}

Object checked(PyObject *object)
{
  if (!object) throw_python_error();
  return Object(object);
}

// The interpreter is started once per process and never ended: torch does not survive its
// finalisation.
void start_python(const std::string &library_directory)
{
  if (Py_IsInitialized()) return;
  const auto executable = hopkin::python_executable(library_directory).string();
  PyConfig config;
  PyConfig_InitPythonConfig(&config);
  config.install_signal_handlers = 0;
  config.parse_argv = 0;
  PyStatus status = PyConfig_SetBytesString(&config, &config.program_name, executable.c_str());
  if (!PyStatus_Exception(status))
    status = PyConfig_SetBytesString(&config, &config.executable, executable.c_str());
  if (!PyStatus_Exception(status)) status = Py_InitializeFromConfig(&config);
  PyConfig_Clear(&config);
  if (PyStatus_Exception(status))
    throw std::runtime_error("cannot start Python of " + executable + ": " +
                             (status.err_msg ? status.err_msg : "unknown reason"));
  PyEval_SaveThread();    // from here on, every use takes the GIL
}

template <typename T> PyObject *view(const T *data, std::size_t count)
{
  return PyMemoryView_FromMemory(reinterpret_cast<char *>(const_cast<T *>(data)),
                                 static_cast<Py_ssize_t>(count * sizeof(T)), PyBUF_READ);
}

template <typename T> PyObject *writable_view(T *data, std::size_t count)
{
  return PyMemoryView_FromMemory(reinterpret_cast<char *>(data),
                                 static_cast<Py_ssize_t>(count * sizeof(T)), PyBUF_WRITE);
}

class PythonEvaluator final : public hopkin::Evaluator {
 public:
  explicit PythonEvaluator(const hopkin::EvaluatorRequest &request)
  {
    start_python(request.library_directory);
    const Gil gil;
    const Object module = checked(PyImport_ImportModule("hopkin.drivers.models.bridge"));
    const Object elements = checked(PyList_New(0));
    for (const auto &element : request.elements)
      if (PyList_Append(elements.get(), checked(PyUnicode_FromString(element.c_str())).get()) < 0)
        throw_python_error();
    // LAMMPS takes bytes that are not ASCII out of its input, and may leave half a character.
    const Object model = checked(PyUnicode_DecodeUTF8(
        request.model.data(), static_cast<Py_ssize_t>(request.model.size()), "replace"));
    bridge_ = checked(PyObject_CallMethod(module.get(), "load", "OOii", model.get(), elements.get(),
                                          request.threads, request.rank));
    description_ = text_of(bridge_.get());
  }

  ~PythonEvaluator() override
  {
    if (!Py_IsInitialized()) {
      static_cast<void>(bridge_.release());
      return;
    }
    const Gil gil;
    bridge_.reset();
  }

  PythonEvaluator(const PythonEvaluator &) = delete;
  PythonEvaluator &operator=(const PythonEvaluator &) = delete;

  [[nodiscard]] double graph_cutoff() const override { return 0.0; }
  [[nodiscard]] std::string description() const override { return description_; }

  void evaluate(const hopkin::Configuration &configuration, const hopkin::NeighborGraph & /*graph*/,
                hopkin::Evaluation &result) override
  {
    const auto n_atoms = static_cast<std::size_t>(configuration.n_atoms());
    result.forces.resize(3 * n_atoms);
    result.atomic_energies.resize(n_atoms);
    const Gil gil;
    const Object energy = checked(PyObject_CallMethod(
        bridge_.get(), "evaluate", "NNN(iii)NNN", view(configuration.positions.data(), 3 * n_atoms),
        view(configuration.species.data(), n_atoms), view(configuration.cell.data(), 9),
        configuration.pbc[0], configuration.pbc[1], configuration.pbc[2],
        writable_view(result.atomic_energies.data(), n_atoms),
        writable_view(result.forces.data(), 3 * n_atoms), writable_view(result.virial.data(), 6)));
    result.energy = PyFloat_AsDouble(energy.get());
    if (PyErr_Occurred()) throw_python_error();
    if (n_atoms > 0 && std::isnan(result.atomic_energies.front())) result.atomic_energies.clear();
  }

 private:
  Object bridge_;
  std::string description_;
};

}    // namespace

extern "C" __attribute__((visibility("default"))) hopkin::Evaluator *
hopkin_make_evaluator(const hopkin::EvaluatorRequest &request)
{
  return new PythonEvaluator(request);
}
