// Evaluates a MACE model, exported as TorchScript by `mace_create_lammps_model`, with libtorch.

#include "torch_evaluator.h"

#include <array>
#include <stdexcept>

namespace {

constexpr std::array SYMBOLS = {
    "H",  "He", "Li", "Be", "B",  "C",  "N",  "O",  "F",  "Ne", "Na", "Mg", "Al", "Si", "P",
    "S",  "Cl", "Ar", "K",  "Ca", "Sc", "Ti", "V",  "Cr", "Mn", "Fe", "Co", "Ni", "Cu", "Zn",
    "Ga", "Ge", "As", "Se", "Br", "Kr", "Rb", "Sr", "Y",  "Zr", "Nb", "Mo", "Tc", "Ru", "Rh",
    "Pd", "Ag", "Cd", "In", "Sn", "Sb", "Te", "I",  "Xe", "Cs", "Ba", "La", "Ce", "Pr", "Nd",
    "Pm", "Sm", "Eu", "Gd", "Tb", "Dy", "Ho", "Er", "Tm", "Yb", "Lu", "Hf", "Ta", "W",  "Re",
    "Os", "Ir", "Pt", "Au", "Hg", "Tl", "Pb", "Bi", "Po", "At", "Rn", "Fr", "Ra", "Ac", "Th",
    "Pa", "U",  "Np", "Pu", "Am", "Cm", "Bk", "Cf", "Es", "Fm", "Md", "No", "Lr", "Rf", "Db",
    "Sg", "Bh", "Hs", "Mt", "Ds", "Rg", "Cn", "Nh", "Fl", "Mc", "Lv", "Ts", "Og"};

class MaceEvaluator final : public hopkin::TorchEvaluator {
 public:
  explicit MaceEvaluator(const hopkin::EvaluatorRequest &request) : TorchEvaluator(request)
  {
    Metadata metadata{{"model_type", ""}};
    load(metadata, "export one with `mace_create_lammps_model` or `hopkin models fetch`");
    for (const auto *attribute : {"model", "atomic_numbers", "r_max", "num_interactions"})
      if (!model_.hasattr(attribute))
        throw std::runtime_error("'" + model_file_ +
                                 "' is a TorchScript file of another family (model_type '" +
                                 metadata["model_type"] +
                                 "'), wanted LAMMPS_MACE as `mace_create_lammps_model` writes it");
    // LAMMPS_MACE differentiates within its forward, and not by edge; the model in it is called as
    // it does.
    network_ = model_.attr("model").toModule();
    if (network_.hasattr("joint_embedding"))
      throw std::runtime_error(
          "'" + model_file_ +
          "' needs more than atoms (charges, spins), which this pair style does "
          "not have");
    const auto numbers = tensor("atomic_numbers").to(torch::kInt64);
    Properties properties;
    properties.exported_by = "MACE model '" + model_file_ + "'";
    for (std::int64_t i = 0; i < numbers.numel(); ++i)
      properties.symbols.emplace_back(SYMBOLS.at(numbers[i].item<std::int64_t>() - 1));
    properties.cutoff = tensor("r_max").item<double>();
    for (const auto &parameter : network_.parameters())
      if (parameter.is_floating_point()) {
        properties.dtype = parameter.scalar_type();
        break;
      }
    n_elements_ = numbers.numel();
    describe(std::move(properties));
    layers_ = static_cast<int>(tensor("num_interactions").item<std::int64_t>());
  }

 protected:
  torch::Tensor atomic_energies(const hopkin::TorchGraph &graph) override
  {
    const auto n_atoms = graph.species.size(0);
    const auto reals = torch::TensorOptions().dtype(dtype_).device(device_);
    const auto integers = reals.dtype(torch::kInt64);
    // MACE's edges go from sender to receiver, with r_receiver - r_sender + shift as their vector:
    // all of it is in the shift, so that the energy can be differentiated by edge.
    c10::Dict<std::string, torch::Tensor> data;
    data.insert("node_attrs", torch::one_hot(graph.species, n_elements_).to(dtype_));
    data.insert("edge_index", graph.edge_index.flip(0));
    data.insert("shifts", -graph.edge_vectors);
    data.insert("unit_shifts", torch::zeros_like(graph.edge_vectors).detach());
    data.insert("positions", torch::zeros({n_atoms, 3}, reals));
    data.insert("cell", torch::zeros({3, 3}, reals));
    data.insert("batch", torch::zeros({n_atoms}, integers));
    data.insert("ptr", torch::tensor({std::int64_t{0}, n_atoms}, torch::kInt64).to(device_));
    data.insert("weight", torch::ones({1}, reals));
    if (model_.hasattr("head")) data.insert("head", tensor("head"));
    const auto output = network_.get_method("forward")({data}, {{"training", false},
                                                                {"compute_force", false},
                                                                {"compute_virials", false},
                                                                {"compute_stress", false},
                                                                {"compute_displacement", false}});
    return output.toGenericDict().at("node_energy").toTensor();
  }

 private:
  [[nodiscard]] torch::Tensor tensor(const std::string &name) const
  {
    return model_.attr(name).toTensor();
  }

  torch::jit::Module network_;
  std::int64_t n_elements_ = 0;
};

}    // namespace

extern "C" __attribute__((visibility("default"))) hopkin::Evaluator *
hopkin_make_evaluator(const hopkin::EvaluatorRequest &request)
{
  return new MaceEvaluator(request);
}
