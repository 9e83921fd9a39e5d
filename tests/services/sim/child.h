// Child: a program started by a test, with its output read through a pipe and no input. Killed if
// left running.
#pragma once

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <string>
#include <utility>
#include <vector>

namespace muster {

class Child {
 public:
  // `environment` holds "NAME=value" lines added to ours.
  explicit Child(const std::vector<std::string>& command,
                 const std::vector<std::string>& environment = {}) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) return;
    pid_ = fork();
    if (pid_ == 0) {
      dup2(ends[1], STDOUT_FILENO);
      dup2(open("/dev/null", O_RDONLY), STDIN_FILENO);
      for (const std::string& one : environment) putenv(const_cast<char*>(one.c_str()));
      std::vector<char*> argv;
      for (const std::string& one : command) argv.push_back(const_cast<char*>(one.c_str()));
      argv.push_back(nullptr);
      execvp(argv[0], argv.data());
      _exit(127);
    }
    close(ends[1]);
    out_ = ends[0];
  }
  ~Child() {
    if (pid_ > 0) {
      kill(pid_, SIGKILL);
      waitpid(pid_, nullptr, 0);
    }
    if (out_ >= 0) close(out_);
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  // The next line, without its end; "" at the end of the output.
  std::string ReadLine() {
    std::string line;
    char c;
    while (read(out_, &c, 1) == 1 && c != '\n') line += c;
    return line;
  }
  std::string ReadAll() {
    std::string all;
    char block[4096];
    for (ssize_t count; (count = read(out_, block, sizeof(block))) > 0;) {
      all.append(block, static_cast<std::size_t>(count));
    }
    return all;
  }
  void Signal(int number) { kill(pid_, number); }
  // The exit code; 128 + the signal when one ended it.
  int Wait() {
    int status = 0;
    waitpid(std::exchange(pid_, -1), &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }

 private:
  pid_t pid_ = -1;
  int out_ = -1;
};

}  // namespace muster
