#include "network.h"

#include "network_file.h"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>

namespace hopkin::nequip {

namespace {

constexpr int VERSION = 1;
constexpr int LARGEST_COUNT = 1 << 24;    // of anything that a word of the file counts

// CRC-32 as of zlib.
std::uint32_t crc32(const std::string &bytes)
{
  std::array<std::uint32_t, 256> of_byte{};
  for (std::uint32_t n = 0; n < of_byte.size(); ++n) {
    of_byte[n] = n;
    for (int bit = 0; bit < 8; ++bit)
      of_byte[n] = (of_byte[n] >> 1) ^ (of_byte[n] & 1 ? 0xEDB88320u : 0u);
  }
  std::uint32_t sum = ~0u;
  for (const unsigned char byte : bytes) sum = of_byte[(sum ^ byte) & 0xFF] ^ (sum >> 8);
  return ~sum;
}

// Takes the words of a file one by one, and its numbers as the words ask for them.
class Reader {
 public:
  Reader(const std::string &words, const char *numbers, std::size_t n_numbers)
      : words_(words), numbers_(numbers), left_(n_numbers)
  {
  }

  std::string word()
  {
    std::string found;
    if (!(words_ >> found)) throw std::runtime_error("it ends too early");
    return found;
  }

  void expect(const char *wanted)
  {
    if (const auto found = word(); found != wanted)
      throw std::runtime_error("it says '" + found + "', wanted '" + wanted + "'");
  }

  int count()
  {
    const auto found = word();
    std::size_t used = 0;
    int value = -1;
    try {
      value = std::stoi(found, &used);
    } catch (const std::exception &) {
    }
    if (used != found.size() || value < 0 || value > LARGEST_COUNT)
      throw std::runtime_error("it says '" + found + "', wanted a count");
    return value;
  }

  std::vector<double> numbers(std::size_t n)
  {
    if (n > left_) throw std::runtime_error("it holds too few numbers");
    std::vector<double> found(n);
    std::memcpy(found.data(), numbers_, n * sizeof(double));
    numbers_ += n * sizeof(double);
    left_ -= n;
    return found;
  }

  double number() { return numbers(1).front(); }

  void end()
  {
    expect("end");
    if (left_ != 0) throw std::runtime_error("it holds too many numbers");
  }

 private:
  std::istringstream words_;
  const char *numbers_;
  std::size_t left_;
};

int read_degree(Reader &reader)
{
  const int degree = reader.count();
  if (degree > HIGHEST_DEGREE)
    throw std::runtime_error("it has a degree of " + std::to_string(degree) + ", wanted 0 to " +
                             std::to_string(HIGHEST_DEGREE));
  return degree;
}

std::vector<Block> read_blocks(Reader &reader)
{
  std::vector<Block> blocks(reader.count());
  for (auto &block : blocks) {
    block.channels = reader.count();
    block.degree = read_degree(reader);
  }
  return blocks;
}

Function function_named(const std::string &name)
{
  static const std::map<std::string, Function> known{{"silu", Function::silu},
                                                     {"tanh", Function::tanh},
                                                     {"abs", Function::abs},
                                                     {"softplus", Function::softplus}};
  const auto found = known.find(name);
  if (found == known.end()) throw std::runtime_error("it has an unknown activation '" + name + "'");
  return found->second;
}

std::vector<Activation> read_activations(Reader &reader, const char *name)
{
  reader.expect(name);
  std::vector<Activation> activations(reader.count());
  for (auto &activation : activations) activation.function = function_named(reader.word());
  for (auto &activation : activations) activation.factor = reader.number();
  return activations;
}

Radial read_radial(Reader &reader)
{
  reader.expect("radial");
  Radial radial;
  radial.functions = reader.count();
  radial.weights = reader.count();
  radial.segments.resize(reader.count());
  radial.mixing = reader.numbers(std::size_t(radial.functions) * radial.weights);
  for (auto &segment : radial.segments) {
    segment.intervals = reader.count();
    segment.start = reader.number();
    segment.end = reader.number();
    if (segment.intervals < 1 || !(segment.start < segment.end))
      throw std::runtime_error("it has a table without intervals");
    segment.table = reader.numbers(std::size_t(segment.intervals + 1) * 3 * radial.functions);
  }
  return radial;
}

const Block &at(const std::vector<Block> &blocks, int index)
{
  if (index >= static_cast<int>(blocks.size()))
    throw std::runtime_error("it names a block that is not there");
  return blocks[index];
}

Linear read_linear(Reader &reader, const std::vector<Block> &from, const std::vector<Block> &to,
                   std::size_t n_elements)
{
  reader.expect("linear");
  Linear linear;
  linear.weights.resize(reader.count());
  for (auto &weights : linear.weights) {
    weights.from = reader.count();
    weights.to = reader.count();
    const auto &source = at(from, weights.from);
    const auto &target = at(to, weights.to);
    const std::size_t n_matrices = reader.count();
    if (source.degree != target.degree || (n_matrices != 1 && n_matrices != n_elements))
      throw std::runtime_error("it has a linear map that does not fit its blocks");
    for (std::size_t n = 0; n < n_matrices; ++n)
      weights.matrices.push_back(reader.numbers(std::size_t(source.channels) * target.channels));
  }
  linear.biases.resize(reader.count());
  for (auto &bias : linear.biases) {
    bias.to = reader.count();
    bias.values = reader.numbers(at(to, bias.to).channels);
  }
  return linear;
}

void require_consistent(const Layer &layer)
{
  int weights = 0;
  for (const auto &product : layer.products) weights += at(layer.features, product.block).channels;
  if (weights != layer.radial.weights || layer.radial.segments.empty())
    throw std::runtime_error("its radial functions are not those of its products");
  const auto n_scalars = layer.scalars.size(), n_gates = layer.gates.size();
  if (layer.gated.size() != n_scalars + 2 * n_gates)
    throw std::runtime_error("its gates are not those of its blocks");
  for (std::size_t n = 0; n < n_scalars + n_gates; ++n)
    if (layer.gated[n].degree != 0) throw std::runtime_error("a gate is no scalar");
  for (std::size_t n = 0; n < n_gates; ++n)
    if (layer.gated[n_scalars + n].channels != layer.gated[n_scalars + n_gates + n].channels)
      throw std::runtime_error("a gate does not fit its block");
}

Layer read_layer(Reader &reader, std::size_t n_elements)
{
  Layer layer;
  reader.expect("features");
  layer.features = read_blocks(reader);
  reader.expect("paths");
  layer.products.resize(reader.count());
  std::vector<Block> products;
  for (auto &product : layer.products) {
    product.block = reader.count();
    product.harmonic = read_degree(reader);
    product.degree = read_degree(reader);
    products.push_back({at(layer.features, product.block).channels, product.degree});
  }
  reader.expect("gated");
  layer.gated = read_blocks(reader);
  layer.scalars = read_activations(reader, "scalars");
  layer.gates = read_activations(reader, "gates");
  layer.radial = read_radial(reader);
  layer.to_itself = read_linear(reader, layer.features, layer.gated, n_elements);
  layer.first = read_linear(reader, layer.features, layer.features, n_elements);
  layer.second = read_linear(reader, products, layer.gated, n_elements);
  require_consistent(layer);
  return layer;
}

bool are_same(const std::vector<Block> &left, const std::vector<Block> &right)
{
  return std::equal(left.begin(), left.end(), right.begin(), right.end(), [](auto &a, auto &b) {
    return a.channels == b.channels && a.degree == b.degree;
  });
}

// Scalars into the first layer, each layer's features into the next one, scalars to the readout;
// and the harmonics that the products ask for.
void require_chained(const Network &network)
{
  std::vector<Block> features{{network.embedded, 0}};
  for (const auto &layer : network.layers) {
    if (!are_same(layer.features, features))
      throw std::runtime_error("a layer does not take what the one before it gives");
    for (const auto &product : layer.products)
      if (product.harmonic >= static_cast<int>(network.harmonics.size()))
        throw std::runtime_error("a product asks for harmonics that are not there");
    const auto after_scalars = layer.gated.begin() + layer.scalars.size();
    features.assign(layer.gated.begin(), after_scalars);
    features.insert(features.end(), after_scalars + layer.gates.size(), layer.gated.end());
  }
  if (network.layers.empty() ||
      !are_same(features, {{static_cast<int>(network.readout.size()), 0}}))
    throw std::runtime_error("its last layer does not give the scalars of its readout");
}

Network read_network(Reader &reader)
{
  Network network;
  reader.expect("precision");
  const auto precision = reader.word();
  if (precision != "single" && precision != "double")
    throw std::runtime_error("it says '" + precision + "', wanted single or double");
  network.is_double = precision == "double";
  reader.expect("unit_vectors");
  network.unit_vectors = reader.count() != 0;
  network.cutoff = reader.number();
  reader.expect("elements");
  network.elements.resize(reader.count());
  for (auto &element : network.elements) element = reader.word();
  reader.expect("harmonics");
  const int n_degrees = read_degree(reader);
  if (n_degrees < 1) throw std::runtime_error("it has no harmonics");
  network.harmonics = reader.numbers(n_degrees + 1);
  reader.expect("couplings");
  for (int left = reader.count(); left > 0; --left) {
    Degrees degrees;
    std::size_t n = 1;
    for (auto &degree : degrees) n *= 2 * (degree = read_degree(reader)) + 1;
    network.couplings[degrees] = reader.numbers(n);
  }
  const auto n_elements = network.elements.size();
  reader.expect("embedding");
  network.embedded = reader.count();
  network.embedding = reader.numbers(n_elements * network.embedded);
  reader.expect("layers");
  for (int left = reader.count(); left > 0; --left)
    network.layers.push_back(read_layer(reader, n_elements));
  reader.expect("readout");
  network.readout = reader.numbers(reader.count());
  network.bias = reader.number();
  network.scale = reader.numbers(n_elements);
  network.shift = reader.numbers(n_elements);
  reader.end();
  require_chained(network);
  return network;
}

}    // namespace

Network read_network(const std::string &path)
{
  const auto refuse = [&](const std::string &why) {
    throw std::runtime_error("'" + path + "' is no network that this hopkin reads: " + why +
                             ": delete it and run `hopkin models fetch`");
  };
  std::ifstream file(path, std::ios::binary);
  std::string magic, made_by, sizes;
  std::getline(file, magic);
  std::getline(file, made_by);
  std::getline(file, sizes);
  if (magic != std::string(MAGIC) + " " + std::to_string(VERSION))
    refuse("it begins with '" + magic.substr(0, 40) + "', wanted '" + MAGIC + " " +
           std::to_string(VERSION) + "'");
  unsigned long long n_words = 0, n_numbers = 0;
  unsigned int sum = 0;
  const auto here = static_cast<std::uintmax_t>(file.tellg());
  const auto size = std::filesystem::file_size(path);
  if (std::sscanf(sizes.c_str(), "%llu %llu %x", &n_words, &n_numbers, &sum) != 3 ||
      n_words > size || n_numbers > size || size - here != n_words + n_numbers * sizeof(double))
    refuse("it has been cut or changed");
  std::string content(n_words + n_numbers * sizeof(double), '\0');
  if (!file.read(content.data(), static_cast<std::streamsize>(content.size())) ||
      crc32(content) != sum)
    refuse("it has been cut or changed");
  Reader reader(content.substr(0, n_words), content.data() + n_words, n_numbers);
  try {
    auto network = read_network(reader);
    network.made_by = made_by;
    return network;
  } catch (const std::runtime_error &error) {
    refuse(error.what());
    throw;    // never: refuse() does not return
  }
}

}    // namespace hopkin::nequip
