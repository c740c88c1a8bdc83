#include "saved_model.h"

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <functional>
#include <sstream>
#include <stdexcept>

namespace hopkin {

// metadata.yaml is lists of words and numbers under keys at the left margin: all that is read here.
static std::map<std::string, std::vector<std::string>> read_lists(std::istream &file)
{
  std::map<std::string, std::vector<std::string>> lists;
  std::string line;
  std::vector<std::string> *values = nullptr;
  while (std::getline(file, line)) {
    const auto colon = line.find(':');
    if (!line.empty() && colon != std::string::npos && line[0] != ' ' && line[0] != '-') {
      values = &lists[line.substr(0, colon)];
      line.erase(0, colon + 1);
    }
    if (!values) continue;
    for (auto &c : line)
      if (std::string_view("[],'\"").find(c) != std::string_view::npos) c = ' ';
    std::istringstream words(line);
    for (std::string word; words >> word;)
      if (word != "-") values->push_back(word);
  }
  return lists;
}

GraceMetadata read_grace_metadata(const std::string &directory)
{
  namespace fs = std::filesystem;
  if (!fs::exists(directory)) throw std::runtime_error("no model directory '" + directory + "'");
  if (!fs::is_regular_file(fs::path(directory) / "saved_model.pb"))
    throw std::runtime_error("'" + directory +
                             "' is not a SavedModel (it has no saved_model.pb): name the directory "
                             "that `gracemaker` or `grace_utils export` writes");
  std::ifstream file(fs::path(directory) / "metadata.yaml");
  if (!file)
    throw std::runtime_error("'" + directory +
                             "' is a SavedModel, but not of GRACE: it has no metadata.yaml");
  auto lists = read_lists(file);
  GraceMetadata metadata;
  metadata.chemical_symbols = lists["chemical_symbols"];
  try {
    metadata.cutoff = std::stod(lists["cutoff"].at(0));
    for (const auto &cutoff : lists["cutoff_matrix"]) metadata.cutoffs.push_back(std::stod(cutoff));
  } catch (const std::exception &) {
    metadata.cutoff = 0.0;
  }
  // name: {non_local: true, shape: [16, 4]}
  std::string name;
  const auto &words = lists["parallel_communication"];
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (words[i] == "non_local:" && i + 1 < words.size())
      metadata.communicated[name] = words[i + 1] == "true";
    else if (words[i] != "shape:" && words[i].back() == ':')
      name = words[i].substr(0, words[i].size() - 1);
  }
  const auto n_species = metadata.chemical_symbols.size();
  if (n_species == 0 || !(metadata.cutoff > 0.0) ||
      (!metadata.cutoffs.empty() && metadata.cutoffs.size() != n_species * n_species))
    throw std::runtime_error("metadata.yaml of '" + directory +
                             "' is damaged: it names no chemical_symbols, or no cutoff of them");
  return metadata;
}

// The wire format of protobuf: fields of a number and a varint, 8 bytes, 4 bytes, or bytes of a
// length.
class Message {
 public:
  explicit Message(std::string_view bytes) : rest_(bytes) {}

  void each(const std::function<void(int field, std::uint64_t value, std::string_view bytes)> &use)
  {
    while (!rest_.empty()) {
      const auto key = varint();
      const int field = static_cast<int>(key >> 3);
      switch (key & 7) {
      case 0:
        use(field, varint(), {});
        break;
      case 1:
        take(8);
        break;
      case 2:
        use(field, 0, take(varint()));
        break;
      case 5:
        take(4);
        break;
      default:
        throw std::runtime_error("its MetaGraphDef is damaged");
      }
    }
  }

 private:
  std::uint64_t varint()
  {
    std::uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      const auto byte = static_cast<unsigned char>(take(1)[0]);
      value |= static_cast<std::uint64_t>(byte & 0x7f) << shift;
      if (!(byte & 0x80)) break;
    }
    return value;
  }

  std::string_view take(std::uint64_t length)
  {
    if (length > rest_.size()) throw std::runtime_error("its MetaGraphDef is damaged");
    const auto taken = rest_.substr(0, length);
    rest_.remove_prefix(length);
    return taken;
  }

  std::string_view rest_;
};

// An entry of a map<string, Message>: key = 1, value = 2.
static std::pair<std::string, std::string_view> read_entry(std::string_view bytes)
{
  std::pair<std::string, std::string_view> entry;
  Message(bytes).each([&](int field, std::uint64_t, std::string_view content) {
    if (field == 1) entry.first = content;
    if (field == 2) entry.second = content;
  });
  return entry;
}

// tensorflow.TensorInfo: name = 1 ("operation:index"), dtype = 2.
static TensorInfo read_tensor_info(std::string_view bytes)
{
  TensorInfo info;
  Message(bytes).each([&](int field, std::uint64_t value, std::string_view content) {
    if (field == 2) info.dtype = static_cast<int>(value);
    if (field != 1) return;
    const auto colon = content.rfind(':');
    info.operation = content.substr(0, colon);
    if (colon != std::string_view::npos)
      info.index = std::stoi(std::string(content.substr(colon + 1)));
  });
  return info;
}

// tensorflow.MetaGraphDef: signature_def = 5; SignatureDef: inputs = 1, outputs = 2.
std::map<std::string, Signature> read_signatures(std::string_view meta_graph_def)
{
  std::map<std::string, Signature> signatures;
  Message(meta_graph_def).each([&](int field, std::uint64_t, std::string_view content) {
    if (field != 5) return;
    const auto [name, definition] = read_entry(content);
    auto &signature = signatures[name];
    Message(definition).each([&](int side, std::uint64_t, std::string_view tensor) {
      if (side != 1 && side != 2) return;
      const auto [key, info] = read_entry(tensor);
      (side == 1 ? signature.inputs : signature.outputs)[key] = read_tensor_info(info);
    });
  });
  return signatures;
}

}    // namespace hopkin
