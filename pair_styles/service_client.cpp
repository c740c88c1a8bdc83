#include "service_client.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <stdexcept>
#include <utility>
#include <vector>

namespace fs = std::filesystem;

// NOLINTNEXTLINE: POSIX names it so
extern char **environ;

namespace hopkin {

// The protocol; drivers/models/service/protocol.py has the other half.
static constexpr std::uint32_t VERSION = 1;
enum class Request : std::uint32_t { HELLO = 1, EVALUATE = 2, PASS = 3 };
static constexpr std::size_t LONGEST_MESSAGE = 65536, LONGEST_ANSWER = 4096;
static constexpr std::size_t CELL = 0, ENERGY = 9, VIRIAL = 10,
                             ARRAYS = 16;    // in units of 8 bytes

static constexpr const char *SERVICE_VARIABLE = "HOPKIN_SERVICE";
static constexpr const char *LOST = "the evaluation service was lost: ";

static std::string reason(int number)
{
  return std::strerror(number);
}

Descriptor::~Descriptor()
{
  if (number_ >= 0) close(number_);
}

Descriptor::Descriptor(Descriptor &&other) noexcept : number_(std::exchange(other.number_, -1)) {}

Descriptor &Descriptor::operator=(Descriptor &&other) noexcept
{
  std::swap(number_, other.number_);
  return *this;
}

SharedMemory::~SharedMemory()
{
  if (data_) munmap(data_, bytes_);
}

bool SharedMemory::reserve(std::size_t bytes)
{
  if (bytes <= bytes_) return false;
  bytes += bytes / 4;    // the number of atoms of a rank may change
  const auto refuse = [bytes](int number) {
    throw std::runtime_error("cannot share " + std::to_string(bytes) +
                             " bytes of memory with the evaluation service: " + reason(number));
  };
  Descriptor file(memfd_create("hopkin", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!file) refuse(errno);
  // given now: a page that is not there later ends this process and the service
  if (const int failed = posix_fallocate(file.get(), 0, static_cast<off_t>(bytes))) refuse(failed);
  if (fcntl(file.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0) refuse(errno);
  void *data = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file.get(), 0);
  if (data == MAP_FAILED) refuse(errno);
  if (data_) munmap(data_, bytes_);
  data_ = static_cast<std::byte *>(data);
  bytes_ = bytes;
  file_ = std::move(file);
  return true;
}

// Sends one message, with the descriptor of shared memory beside it where one is given.
static void send_message(int socket, const std::string &message, int descriptor = -1)
{
  iovec part{const_cast<char *>(message.data()), message.size()};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
  msghdr header{};
  header.msg_iov = &part;
  header.msg_iovlen = 1;
  if (descriptor >= 0) {
    header.msg_control = control.data();
    header.msg_controllen = control.size();
    cmsghdr *rights = CMSG_FIRSTHDR(&header);
    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN(sizeof(int));
    std::memcpy(CMSG_DATA(rights), &descriptor, sizeof(int));
  }
  while (sendmsg(socket, &header, MSG_NOSIGNAL) < 0)
    if (errno != EINTR) throw std::runtime_error(LOST + reason(errno));
}

template <typename... Words> static std::string message(Request kind, Words... words)
{
  const std::array<std::uint32_t, 1 + sizeof...(Words)> all{static_cast<std::uint32_t>(kind),
                                                            static_cast<std::uint32_t>(words)...};
  return {reinterpret_cast<const char *>(all.data()), sizeof(all)};
}

static Descriptor connect_to(const std::string &path)
{
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof(address.sun_path))
    throw std::runtime_error("the path of the evaluation service is too long: " + path);
  std::copy(path.begin(), path.end(), address.sun_path);
  Descriptor socket(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
  if (!socket ||
      connect(socket.get(), reinterpret_cast<const sockaddr *>(&address), sizeof(address)) != 0)
    throw std::runtime_error(LOST + path + ": " + reason(errno));
  return socket;
}

// A virtual environment holds this library: its Python starts services. Else that of the build.
static fs::path python_of(const std::string &library_directory)
{
  for (auto prefix = fs::path(library_directory); prefix != prefix.root_path();
       prefix = prefix.parent_path())
    if (fs::exists(prefix / "bin" / "python3")) return prefix / "bin" / "python3";
  return HOPKIN_PYTHON_EXECUTABLE;
}

// What a program prints; an exception where it fails, with what it printed.
static std::string printed_by(std::vector<std::string> words)
{
  std::array<int, 2> ends{};
  if (pipe2(ends.data(), O_CLOEXEC) != 0) throw std::runtime_error(reason(errno));
  const Descriptor read_end(ends[0]);
  pid_t child = 0;
  {
    const Descriptor write_end(ends[1]);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, write_end.get(), STDOUT_FILENO);
    std::vector<char *> arguments;
    for (auto &word : words) arguments.push_back(word.data());
    arguments.push_back(nullptr);
    const int failed =
        posix_spawnp(&child, arguments[0], &actions, nullptr, arguments.data(), environ);
    posix_spawn_file_actions_destroy(&actions);
    if (failed) throw std::runtime_error("cannot start " + words[0] + ": " + reason(failed));
  }
  std::string said;
  std::array<char, 4096> buffer{};
  for (ssize_t count = 0; (count = read(read_end.get(), buffer.data(), buffer.size())) > 0 ||
                          (count < 0 && errno == EINTR);)
    if (count > 0) said.append(buffer.data(), static_cast<std::size_t>(count));
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  while (!said.empty() && said.back() == '\n') said.pop_back();
  if (status != 0)
    throw std::runtime_error(said.empty() ? "the evaluation service could not be started" : said);
  return said;
}

// The socket of the service of a model, which is started where there is none.
static std::string find_service(const EvaluatorRequest &request)
{
  const auto program =
      fs::path(request.library_directory).parent_path() / "drivers/models/service/find.py";
  if (!fs::exists(program))
    throw std::runtime_error("no service: " + program.string() +
                             " is not there: install hopkin, or name a service in HOPKIN_SERVICE");
  return printed_by({python_of(request.library_directory), "-P", program.string(), request.model});
}

ServiceClient::ServiceClient(const EvaluatorRequest &request)
{
  std::string elements;
  for (const auto &element : request.elements) elements += (elements.empty() ? "" : " ") + element;
  const auto hello = message(Request::HELLO, VERSION, request.threads) + request.model + '\0' +
                     fs::current_path().string() + '\0' + elements;
  if (hello.size() > LONGEST_MESSAGE) throw std::runtime_error("the name of the model is too long");
  const char *given = std::getenv(SERVICE_VARIABLE);
  // a band over several nodes has one that is on another node
  const bool here = given && *given && fs::exists(given);
  socket_ = connect_to(here ? given : find_service(request));
  send_message(socket_.get(), hello);
  description_ = answer();
}

std::string ServiceClient::answer()
{
  std::array<char, LONGEST_ANSWER> answer{};
  ssize_t count = 0;
  while ((count = recv(socket_.get(), answer.data(), answer.size(), 0)) < 0)
    if (errno != EINTR) throw std::runtime_error(LOST + reason(errno));
  std::uint32_t status = 0;
  if (count < static_cast<ssize_t>(sizeof(status)))
    throw std::runtime_error(std::string(LOST) + "it was ended or killed");
  std::memcpy(&status, answer.data(), sizeof(status));
  const std::string text(answer.data() + sizeof(status), answer.data() + count);
  if (status != 0) throw std::runtime_error(text);
  return text;
}

void ServiceClient::evaluate(const Configuration &configuration, const NeighborGraph & /*graph*/,
                             Evaluation &result)
{
  if (configuration.pbc != std::array<int, 3>{1, 1, 1}) {
    std::string received;
    for (const int periodic : configuration.pbc) received += periodic ? " p" : " f";
    throw std::runtime_error("a served model needs boundary p p p, received" + received);
  }
  const auto n_atoms = static_cast<std::size_t>(configuration.n_atoms());
  const bool grown = memory_.reserve(8 * (ARRAYS + 8 * n_atoms));
  auto *const numbers = reinterpret_cast<double *>(memory_.data());
  double *const positions = numbers + ARRAYS, *const forces = positions + 3 * n_atoms,
                *const atomic_energies = forces + 3 * n_atoms;
  auto *const species = reinterpret_cast<std::int64_t *>(atomic_energies + n_atoms);
  std::copy(configuration.cell.begin(), configuration.cell.end(), numbers + CELL);
  std::copy(configuration.positions.begin(), configuration.positions.end(), positions);
  std::copy(configuration.species.begin(), configuration.species.end(), species);

  send_message(socket_.get(), message(Request::EVALUATE, n_atoms, configuration.band),
               grown ? memory_.descriptor() : -1);
  answer();
  result.energy = numbers[ENERGY];
  std::copy_n(numbers + VIRIAL, 6, result.virial.begin());
  result.forces.assign(forces, forces + 3 * n_atoms);
  result.atomic_energies.assign(atomic_energies, atomic_energies + n_atoms);
  if (n_atoms > 0 && std::isnan(result.atomic_energies.front())) result.atomic_energies.clear();
}

void ServiceClient::pass(std::uint32_t band)
{
  send_message(socket_.get(), message(Request::PASS, band));
}

}    // namespace hopkin
