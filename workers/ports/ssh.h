// Ssh: commands on a machine that was rented bare, and what can be known when they end badly.
//
//   const StatusOr<std::unique_ptr<SshSession>> session = co_await ssh.Connect(target);
//   const StatusOr<SshResult> cpus = co_await (*session)->Run({.command = "lscpu -J"});
//
// Nobody is trusted on first use: whoever connects says which key the machine must prove, and
// before it has, nothing of ours is sent, not even which key we have. Reactor thread. The real one
// is workers/os/ssh_client.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "eventstore/base/status.h"
#include "eventstore/base/task.h"

namespace muster {

// What the machine must prove; exactly one of both is set.
struct HostKeyPin {
  // Any of these: SHA-256 of the key as `ssh-keygen -l` prints it, with or without "SHA256:".
  std::vector<std::string> sha256;
  // This one: "ssh-ed25519 AAAA...", as in /etc/ssh/ssh_host_ed25519_key.pub.
  std::string public_key;
};

struct SshTarget {
  std::string address;  // IPv4 or IPv6, without brackets; names are not looked up
  int port = 22;
  std::string user = "root";
  HostKeyPin host_key;
  // A private key in OpenSSH's or PEM form, ed25519 or ecdsa, without a passphrase. Secret.
  std::string identity;
  absl::Time deadline;  // the session stands by then, or not at all
};

// What a command can be fed with.
struct SshInput {
  std::function<Task<StatusOr<std::string>>()> next;  // as SshCommand::input
  std::int64_t bytes = 0;                             // in all; 0 = nobody knows
};

struct SshCommand {
  std::string command;  // for the login shell of the other side; never holds a secret
  absl::Time deadline;  // it has ended by then, or nobody knows
  // Neither output nor room for input for so long: as the deadline.
  absl::Duration silence_max = absl::InfiniteDuration();
  // The next piece of its standard input; "" ends it. None = empty input. An error ends the
  // command with that error.
  std::function<Task<StatusOr<std::string>>()> input;
  // Called with the bytes of input that the other side has taken so far.
  std::function<void(std::int64_t)> progress;
  // Of each stream as much is kept; the rest is read and dropped.
  std::size_t output_bytes_max = 1u << 20;
};

struct SshResult {
  int exit_status = 0;      // of the command; any is OK here
  std::string exit_signal;  // "KILL" when a signal ended it
  std::string out;
  std::string err;
  bool cut = false;  // one of both was longer than output_bytes_max
};

// One connection. Commands run one after the other, never beside each other.
class SshSession {
 public:
  virtual ~SshSession() = default;

  // kUnavailable       the command was not sent: the connection was gone before
  // kDeadlineExceeded  it was sent, and neither end nor sign of life came in time: it may go on
  //                    over there; look before running it again
  // kUnknown           the connection broke after it was sent: as kDeadlineExceeded
  // others             what `input` returned: as kDeadlineExceeded
  // After any error the session is of no more use: connect again.
  virtual Task<StatusOr<SshResult>> Run(SshCommand command) = 0;
};

class SshClient {
 public:
  virtual ~SshClient() = default;

  // The session must not outlive the client.
  //
  // kUnavailable         nobody answers there, or not in time, or they hung up: try again later, no
  //                      sooner than after five seconds (OpenSSH shuts out who comes too often)
  // kPermissionDenied    somebody with another host key answers: nothing was sent; a person must
  //                      look, or the pin must be renewed from where it came
  // kUnauthenticated     the machine is the right one and refuses our key
  // kFailedPrecondition  no cipher, MAC or kind of host key that both know, as the message says:
  //                      the other side must be configured
  // kInvalidArgument     the address, the pin or the identity is none, or of a kind (RSA) that
  //                      cannot be used: nothing was sent, a fault of ours
  virtual Task<StatusOr<std::unique_ptr<SshSession>>> Connect(SshTarget target) = 0;
};

}  // namespace muster
