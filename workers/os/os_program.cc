#include "workers/os/os_program.h"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <utility>

namespace muster {
namespace {

using Clock = std::chrono::steady_clock;
// How often a thread that waits for its child looks whether it is to give up.
constexpr int kLookMs = 50;

// A pipe whose ends are closed with it, and not inherited.
class Pipe {
 public:
  Pipe() {
    if (pipe2(ends_.data(), O_CLOEXEC) != 0) ends_ = {-1, -1};
  }
  ~Pipe() {
    CloseRead();
    CloseWrite();
  }
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;

  bool ok() const { return ends_[0] >= 0; }
  int read() const { return ends_[0]; }
  int write() const { return ends_[1]; }
  void CloseRead() { Close(ends_[0]); }
  void CloseWrite() { Close(ends_[1]); }

 private:
  static void Close(int& fd) {
    if (fd >= 0) close(fd);
    fd = -1;
  }
  std::array<int, 2> ends_ = {-1, -1};
};

std::vector<char*> Pointers(std::vector<std::string>& words) {
  std::vector<char*> out;
  out.reserve(words.size() + 1);
  for (std::string& word : words) out.push_back(word.data());
  out.push_back(nullptr);
  return out;
}

// As the shell of a new session would give them: no signal ignored or blocked, a group of its own.
void SetAttributes(posix_spawnattr_t* attributes) {
  sigset_t none;
  sigset_t all;
  sigemptyset(&none);
  sigfillset(&all);
  posix_spawnattr_setsigmask(attributes, &none);
  posix_spawnattr_setsigdefault(attributes, &all);
  posix_spawnattr_setpgroup(attributes, 0);
  posix_spawnattr_setflags(attributes,
                           POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
}

// PATH and LANG, and `more` beside them or in their place.
std::vector<std::string> Environment(const std::vector<std::string>& more) {
  std::vector<std::string> out;
  for (const char* usual : {"PATH=/usr/local/bin:/usr/bin:/bin", "LANG=C.UTF-8"}) {
    const std::string_view name(usual, std::string_view(usual).find('=') + 1);
    const bool replaced = std::any_of(more.begin(), more.end(),
                                      [&](const std::string& v) { return v.starts_with(name); });
    if (!replaced) out.emplace_back(usual);
  }
  out.insert(out.end(), more.begin(), more.end());
  return out;
}

StatusOr<pid_t> Start(std::vector<std::string> words, std::vector<std::string> variables,
                      const Pipe& in, const Pipe& out) {
  const std::vector<char*> argv = Pointers(words);
  const std::vector<char*> envp = Pointers(variables);
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  posix_spawn_file_actions_init(&actions);
  posix_spawnattr_init(&attributes);
  posix_spawn_file_actions_adddup2(&actions, in.read(), STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, out.write(), STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, out.write(), STDERR_FILENO);
  posix_spawn_file_actions_addclosefrom_np(&actions, STDERR_FILENO + 1);
  SetAttributes(&attributes);
  pid_t pid = -1;
  const int error =
      posix_spawn(&pid, words.front().c_str(), &actions, &attributes, argv.data(), envp.data());
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  if (error != 0) {
    return Unavailable(Cat("cannot run ", words.front(), ": ", std::strerror(error)));
  }
  return pid;
}

// Feeds and reads a child until it closes its output; false when that took too long.
class Talk {
 public:
  Talk(Pipe& in, Pipe& out, const ProgramCall& call) : in_(in), out_(out), call_(call) {
    fcntl(in_.write(), F_SETFL, O_NONBLOCK);
    fcntl(out_.read(), F_SETFL, O_NONBLOCK);
  }

  // One turn of at most kLookMs. False: nothing more will come.
  bool Turn() {
    if (written_ == call_.input.size()) in_.CloseWrite();
    std::array<pollfd, 2> fds = {{{out_.read(), POLLIN, 0}, {in_.write(), POLLOUT, 0}}};
    if (poll(fds.data(), fds.size(), kLookMs) < 0 && errno != EINTR) return false;
    if ((fds[1].revents & (POLLOUT | POLLERR | POLLHUP)) != 0) Feed();
    return (fds[0].revents & (POLLIN | POLLHUP | POLLERR)) == 0 || Drain();
  }
  std::string output() { return std::move(output_); }

 private:
  void Feed() {
    const ssize_t n =
        write(in_.write(), call_.input.data() + written_, call_.input.size() - written_);
    if (n > 0) written_ += static_cast<std::size_t>(n);
    // Who does not read its input may still do what is wanted of it.
    if (n < 0 && errno != EAGAIN && errno != EINTR) written_ = call_.input.size();
  }
  bool Drain() {
    std::array<char, 4096> buffer;
    const ssize_t n = ::read(out_.read(), buffer.data(), buffer.size());
    if (n < 0) return errno == EAGAIN || errno == EINTR;
    const std::size_t room =
        call_.output_bytes_max - std::min(output_.size(), call_.output_bytes_max);
    output_.append(buffer.data(), std::min(static_cast<std::size_t>(n), room));
    return n > 0;
  }

  Pipe& in_;
  Pipe& out_;
  const ProgramCall& call_;
  std::size_t written_ = 0;
  std::string output_;
};

// Reaps `pid`, after killing its group once `end` has come or `cancelled` is set.
StatusOr<int> Wait(pid_t pid, Clock::time_point end, const std::atomic<bool>& cancelled) {
  bool killed = false;
  while (true) {
    int status = 0;
    const pid_t got = waitpid(pid, &status, WNOHANG);
    if (got == pid) {
      kill(-pid, SIGKILL);  // what it left behind in its group
      if (killed) return DeadlineExceeded("it took too long and was killed");
      return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    }
    if (got < 0 && errno != EINTR) return Unavailable("it is no child of ours any more");
    if (!killed && (Clock::now() >= end || cancelled)) {
      kill(-pid, SIGKILL);
      killed = true;
    }
    poll(nullptr, 0, killed ? 1 : kLookMs / 10);
  }
}

StatusOr<ProgramResult> RunBlocking(const ProgramCall& call, const std::atomic<bool>& cancelled) {
  Pipe in;
  Pipe out;
  if (!in.ok() || !out.ok()) return Unavailable("no descriptors are left");
  const Clock::time_point end = Clock::now() + absl::ToChronoMilliseconds(call.patience);
  MUSTER_ASSIGN_OR_RETURN(const pid_t pid,
                          Start(call.argv, Environment(call.environment), in, out));
  in.CloseRead();
  out.CloseWrite();
  Talk talk(in, out, call);
  while (Clock::now() < end && !cancelled && talk.Turn()) {
  }
  in.CloseWrite();
  const StatusOr<int> code = Wait(pid, end, cancelled);
  if (!code.ok()) return Annotate(code.status(), call.argv.front());
  return ProgramResult{*code, talk.output()};
}

}  // namespace

OsProgramRunner::~OsProgramRunner() {
  for (const auto& child : children_) child->cancelled = true;
  for (const auto& child : children_) child->thread.join();
}

void OsProgramRunner::Sweep() {
  for (auto it = children_.begin(); it != children_.end();) {
    if ((*it)->ended) {
      (*it)->thread.join();
      it = children_.erase(it);
    } else {
      ++it;
    }
  }
}

Task<StatusOr<ProgramResult>> OsProgramRunner::Run(ProgramCall call) {
  if (call.argv.empty()) co_return Unavailable("there is no program to run");
  Sweep();
  const auto child = std::make_shared<Child>();
  children_.push_back(child);
  // What waits may be destroyed before the thread is done, as everything may.
  const auto answer = std::make_shared<Promise<StatusOr<ProgramResult>>>(rt_);
  const std::weak_ptr<Promise<StatusOr<ProgramResult>>> waiting = answer;
  child->thread = std::thread([this, child, waiting, call = std::move(call)] {
    StatusOr<ProgramResult> result = RunBlocking(call, child->cancelled);
    rt_.Post([child, waiting, result = std::move(result)]() mutable {
      child->ended = true;
      if (const auto still = waiting.lock()) still->Set(std::move(result));
    });
  });
  co_return co_await answer->Take();
}

}  // namespace muster
