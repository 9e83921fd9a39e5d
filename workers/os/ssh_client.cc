#include "workers/os/ssh_client.h"

#include <libssh2.h>

#include <algorithm>
#include <asio/ip/tcp.hpp>
#include <utility>

#include "eventstore/base/strings.h"
#include "workers/os/ssh_keys.h"

namespace muster {
namespace {

using Tcp = asio::ip::tcp;

constexpr std::size_t kPieceBytes = 32u << 10;
constexpr int kKeepAliveSeconds = 15;

void InitLibraryOnce() {
  static const int code = libssh2_init(0);
  MUSTER_CHECK(code == 0);
}

// A TCP connection, and waiting for it. Reactor thread.
class Wire {
 public:
  explicit Wire(OsRuntime& rt)
      : rt_(rt), socket_(rt.context()), signal_(rt.MakeSignal()), state_(new State) {
    state_->signal = signal_.get();
  }
  Wire(const Wire&) = delete;
  ~Wire() { state_->signal = nullptr; }

  Task<Status> Connect(asio::ip::address address, int port, absl::Time deadline) {
    const Tcp::endpoint where(address, static_cast<std::uint16_t>(port));
    const std::shared_ptr<State> state = state_;
    socket_.async_connect(where, [state](const asio::error_code& error) {
      state->connected = error;
      state->Note();
    });
    while (!state->connected.has_value()) {
      const bool woken = co_await signal_->WaitUntil(deadline);
      if (!woken && !state->connected.has_value()) {
        asio::error_code ignored;
        socket_.close(ignored);
        co_return Unavailable("no connection in time");
      }
    }
    if (*state->connected) co_return Unavailable(Cat("connect: ", state->connected->message()));
    asio::error_code ignored;
    socket_.non_blocking(true, ignored);
    socket_.set_option(Tcp::no_delay(true), ignored);
    co_return absl::OkStatus();
  }
  // Waits for LIBSSH2_SESSION_BLOCK_INBOUND and/or OUTBOUND; may wake for nothing. False when the
  // deadline came first.
  Task<bool> Ready(int directions, absl::Time deadline) {
    const std::shared_ptr<State> state = state_;
    const std::uint64_t before = state->events;
    if ((directions & LIBSSH2_SESSION_BLOCK_INBOUND) != 0 && !state->reading) {
      state->reading = true;
      socket_.async_wait(Tcp::socket::wait_read, [state](const asio::error_code&) {
        state->reading = false;
        state->Note();
      });
    }
    if ((directions & LIBSSH2_SESSION_BLOCK_OUTBOUND) != 0 && !state->writing) {
      state->writing = true;
      socket_.async_wait(Tcp::socket::wait_write, [state](const asio::error_code&) {
        state->writing = false;
        state->Note();
      });
    }
    while (state->events == before) {
      const bool woken = co_await signal_->WaitUntil(deadline);
      if (!woken) co_return state->events != before;
    }
    co_return true;
  }
  OsRuntime& rt() { return rt_; }
  int fd() { return socket_.native_handle(); }

 private:
  // What the handlers of asio may still touch when the wire is gone.
  struct State {
    void Note() {
      ++events;
      if (signal != nullptr) signal->NotifyAll();
    }
    std::uint64_t events = 0;
    bool reading = false;
    bool writing = false;
    std::optional<asio::error_code> connected;
    Signal* signal = nullptr;
  };

  OsRuntime& rt_;
  Tcp::socket socket_;
  const std::unique_ptr<Signal> signal_;
  const std::shared_ptr<State> state_;
};

struct FreeSession {
  void operator()(LIBSSH2_SESSION* session) const {
    // The connection is closed right after; what the library could not say goodbye to is lost.
    for (int tries = 0; tries < 8; ++tries) {
      if (libssh2_session_free(session) != LIBSSH2_ERROR_EAGAIN) return;
    }
  }
};
struct FreeChannel {
  void operator()(LIBSSH2_CHANNEL* channel) const { (void)libssh2_channel_free(channel); }
};
using Channel = std::unique_ptr<LIBSSH2_CHANNEL, FreeChannel>;

class Session final : public SshSession {
 public:
  explicit Session(OsRuntime& rt)
      : wire_(rt), ssh_(libssh2_session_init_ex(nullptr, nullptr, nullptr, nullptr)) {
    MUSTER_CHECK(ssh_ != nullptr);
    libssh2_session_set_blocking(ssh_.get(), 0);
    libssh2_keepalive_config(ssh_.get(), /*want_reply=*/1, kKeepAliveSeconds);
  }

  Task<Status> Open(asio::ip::address address, const SshTarget& target, const PinnedHostKey& pin);
  Task<StatusOr<SshResult>> Run(SshCommand command) override;

 private:
  struct Exchange;  // one command under way

  // Calls `call` until it has an answer other than EAGAIN; LIBSSH2_ERROR_TIMEOUT at the deadline.
  template <class Call>
  Task<int> Drive(Call call, absl::Time deadline) {
    for (;;) {
      const int code = call();
      if (code != LIBSSH2_ERROR_EAGAIN) co_return code;
      const int directions = libssh2_session_block_directions(ssh_.get());
      const bool ready = co_await wire_.Ready(directions, deadline);
      if (!ready) co_return LIBSSH2_ERROR_TIMEOUT;
    }
  }
  Status CheckHostKey(const PinnedHostKey& pin) const;
  Task<StatusOr<Channel>> OpenChannel(absl::Time deadline);
  Status Lost(int code, std::string_view doing) const;
  std::string Words() const {
    char* text = nullptr;
    int bytes = 0;
    libssh2_session_last_error(ssh_.get(), &text, &bytes, 0);
    return text == nullptr ? "" : ToValidUtf8(std::string(text, static_cast<std::size_t>(bytes)));
  }
  bool ReadSome(Exchange& exchange, int stream, std::string& out);
  bool WriteSome(Exchange& exchange);
  Task<Status> Transfer(Exchange& exchange);
  Task<StatusOr<SshResult>> Finish(Exchange& exchange);

  Wire wire_;
  std::unique_ptr<LIBSSH2_SESSION, FreeSession> ssh_;
  bool broken_ = false;
};

struct Session::Exchange {
  SshCommand command;
  Channel channel;
  SshResult result;
  std::string piece;       // of the input, not yet taken
  bool asks_input = true;  // more may come
  bool eof_sent = false;
  std::int64_t taken = 0;
  int failed = 0;  // what the library last complained of
  absl::Time heard;
};

Status HandshakeError(int code, const std::string& words) {
  switch (code) {
    case LIBSSH2_ERROR_TIMEOUT:
      return Unavailable("no SSH handshake in time");
    case LIBSSH2_ERROR_KEY_EXCHANGE_FAILURE:
      // Agreed upon, and then it broke off: as a rule the machine goes down just now.
      return Unavailable(Cat("the SSH key exchange broke off: ", words));
    case LIBSSH2_ERROR_KEX_FAILURE:
    case LIBSSH2_ERROR_METHOD_NOT_SUPPORTED:
    case LIBSSH2_ERROR_METHOD_NONE:
      return FailedPrecondition(
          Cat("the SSH server and we have no algorithm in common (", words,
              "): it must offer an ed25519 or ecdsa host key, an aes-ctr cipher and a MAC like "
              "hmac-sha2-256; RSA host keys and -etm MACs alone do not do"));
    default:
      return Unavailable(Cat("SSH handshake: ", words));
  }
}

Status AuthError(int code, const std::string& words) {
  switch (code) {
    case LIBSSH2_ERROR_AUTHENTICATION_FAILED:
    case LIBSSH2_ERROR_PUBLICKEY_UNVERIFIED:
      return Unauthenticated(Cat("the machine refuses our key: ", words));
    case LIBSSH2_ERROR_FILE:
    case LIBSSH2_ERROR_PUBLICKEY_PROTOCOL:
      return InvalidArgument("the identity cannot be read as a private key");
    case LIBSSH2_ERROR_TIMEOUT:
      return Unavailable("the SSH login got no answer in time");
    default:
      return Unavailable(Cat("SSH login: ", words));
  }
}

Task<Status> Session::Open(asio::ip::address address, const SshTarget& target,
                           const PinnedHostKey& pin) {
  Status connected = co_await wire_.Connect(address, target.port, target.deadline);
  if (!connected.ok()) co_return connected;
  LIBSSH2_SESSION* const ssh = ssh_.get();
  if (libssh2_session_method_pref(ssh, LIBSSH2_METHOD_HOSTKEY, pin.kinds.c_str()) != 0) {
    co_return InvalidArgument(Cat("host keys of kind ", pin.kinds, " cannot be used"));
  }
  const int fd = wire_.fd();
  const auto shake = [ssh, fd] { return libssh2_session_handshake(ssh, fd); };
  const int shaken = co_await Drive(shake, target.deadline);
  if (shaken != 0) co_return HandshakeError(shaken, Words());
  Status known = CheckHostKey(pin);
  if (!known.ok()) co_return known;
  const std::string& user = target.user;
  const std::string& key = target.identity;
  const auto log_in = [ssh, &user, &key] {
    return libssh2_userauth_publickey_frommemory(ssh, user.data(), user.size(), nullptr, 0,
                                                 key.data(), key.size(), nullptr);
  };
  const int in = co_await Drive(log_in, target.deadline);
  if (in != 0) co_return AuthError(in, Words());
  co_return absl::OkStatus();
}

// Between the handshake, which proved that the other side has this key, and the first word of ours.
Status Session::CheckHostKey(const PinnedHostKey& pin) const {
  std::size_t bytes = 0;
  int kind = 0;
  const char* blob = libssh2_session_hostkey(ssh_.get(), &bytes, &kind);
  const char* hash = libssh2_hostkey_hash(ssh_.get(), LIBSSH2_HOSTKEY_HASH_SHA256);
  if (blob == nullptr || hash == nullptr) {
    return PermissionDenied("the machine showed no host key");
  }
  const std::string_view shown(hash, 32);
  const bool pinned =
      pin.blob.empty() ? std::find(pin.sha256.begin(), pin.sha256.end(), shown) != pin.sha256.end()
                       : pin.blob == std::string_view(blob, bytes);
  if (pinned) return absl::OkStatus();
  return PermissionDenied(
      Cat("another machine answers there: its host key ", Fingerprint(shown), " is not pinned"));
}

Task<StatusOr<Channel>> Session::OpenChannel(absl::Time deadline) {
  LIBSSH2_SESSION* const ssh = ssh_.get();
  LIBSSH2_CHANNEL* channel = nullptr;
  const auto open = [ssh, &channel] {
    channel = libssh2_channel_open_session(ssh);
    return channel != nullptr ? 0 : libssh2_session_last_errno(ssh);
  };
  const int code = co_await Drive(open, deadline);
  if (code != 0) co_return Unavailable(Cat("no SSH channel: ", Words()));
  co_return Channel(channel);
}

// The command was sent, and then the connection failed us.
Status Session::Lost(int code, std::string_view doing) const {
  if (code == LIBSSH2_ERROR_TIMEOUT) {
    return DeadlineExceeded(Cat(doing, ": no end in time; it may go on over there"));
  }
  return Unknown(Cat(doing, ": the connection broke: ", Words()));
}

Task<StatusOr<SshResult>> Session::Run(SshCommand command) {
  if (broken_) co_return Unavailable("the SSH session is over");
  broken_ = true;  // until all went well
  Exchange exchange{.command = std::move(command), .heard = wire_.rt().Now()};
  const absl::Time deadline = exchange.command.deadline;
  StatusOr<Channel> channel = co_await OpenChannel(deadline);
  if (!channel.ok()) co_return channel.status();
  exchange.channel = *std::move(channel);
  LIBSSH2_CHANNEL* const raw = exchange.channel.get();
  const std::string& line = exchange.command.command;
  const auto start = [raw, &line] {
    return libssh2_channel_process_startup(raw, "exec", 4, line.data(),
                                           static_cast<unsigned int>(line.size()));
  };
  const int started = co_await Drive(start, deadline);
  if (started == LIBSSH2_ERROR_CHANNEL_REQUEST_DENIED) {
    co_return Unavailable("the machine runs no commands for us");
  }
  if (started != 0) co_return Lost(started, "starting the command");
  exchange.heard = wire_.rt().Now();
  Status moved = co_await Transfer(exchange);
  if (!moved.ok()) co_return moved;
  co_return co_await Finish(exchange);
}

// Reads what is there of one stream; whether anything was.
bool Session::ReadSome(Exchange& exchange, int stream, std::string& out) {
  char buffer[16 << 10];
  bool any = false;
  for (;;) {
    const auto got =
        libssh2_channel_read_ex(exchange.channel.get(), stream, buffer, sizeof(buffer));
    if (got <= 0) {
      if (got < 0 && got != LIBSSH2_ERROR_EAGAIN) exchange.failed = static_cast<int>(got);
      return any;
    }
    any = true;
    const std::size_t room = exchange.command.output_bytes_max - out.size();
    const std::size_t kept = std::min(room, static_cast<std::size_t>(got));
    exchange.result.cut = exchange.result.cut || kept < static_cast<std::size_t>(got);
    out.append(buffer, kept);
  }
}

// Writes what can be taken of the piece, or the end of the input; whether anything was taken.
bool Session::WriteSome(Exchange& exchange) {
  if (exchange.eof_sent) return false;
  LIBSSH2_CHANNEL* const channel = exchange.channel.get();
  if (exchange.piece.empty() && exchange.asks_input) return false;
  const bool ends = exchange.piece.empty();
  const std::size_t bytes = std::min(exchange.piece.size(), kPieceBytes);
  const auto code = ends ? libssh2_channel_send_eof(channel)
                         : libssh2_channel_write(channel, exchange.piece.data(), bytes);
  if (code == LIBSSH2_ERROR_EAGAIN) return false;
  if (code < 0) {
    exchange.failed = static_cast<int>(code);
    return false;
  }
  if (ends) {
    exchange.eof_sent = true;
    return true;
  }
  exchange.piece.erase(0, static_cast<std::size_t>(code));
  exchange.taken += code;
  if (code > 0 && exchange.command.progress) exchange.command.progress(exchange.taken);
  return code > 0;
}

Task<Status> Session::Transfer(Exchange& exchange) {
  const SshCommand& command = exchange.command;
  exchange.asks_input = static_cast<bool>(command.input);
  for (;;) {
    if (exchange.piece.empty() && exchange.asks_input) {
      StatusOr<std::string> piece = co_await command.input();
      if (!piece.ok()) co_return piece.status();
      exchange.piece = *std::move(piece);
      exchange.asks_input = !exchange.piece.empty();
    }
    bool moved = WriteSome(exchange);
    // A packet that left in part must leave whole before anything else may be written, and reading
    // may write.
    const bool stuck =
        (libssh2_session_block_directions(ssh_.get()) & LIBSSH2_SESSION_BLOCK_OUTBOUND) != 0 &&
        !moved;
    if (!stuck) {
      moved = ReadSome(exchange, 0, exchange.result.out) || moved;
      moved = ReadSome(exchange, SSH_EXTENDED_DATA_STDERR, exchange.result.err) || moved;
      if (libssh2_channel_eof(exchange.channel.get()) == 1) co_return absl::OkStatus();
    }
    if (exchange.failed != 0) co_return Lost(exchange.failed, "the command");
    const absl::Time now = wire_.rt().Now();
    if (moved) exchange.heard = now;
    const absl::Time end = std::min(command.deadline, exchange.heard + command.silence_max);
    if (now >= end) co_return Lost(LIBSSH2_ERROR_TIMEOUT, "the command");
    if (moved) continue;
    int next_s = kKeepAliveSeconds;
    if (!stuck) (void)libssh2_keepalive_send(ssh_.get(), &next_s);
    const int directions = stuck ? LIBSSH2_SESSION_BLOCK_OUTBOUND : LIBSSH2_SESSION_BLOCK_INBOUND;
    (void)co_await wire_.Ready(directions, std::min(end, now + absl::Seconds(next_s)));
  }
}

Task<StatusOr<SshResult>> Session::Finish(Exchange& exchange) {
  LIBSSH2_CHANNEL* const channel = exchange.channel.get();
  const absl::Time deadline = exchange.command.deadline;
  const auto close = [channel] { return libssh2_channel_close(channel); };
  int code = co_await Drive(close, deadline);
  if (code != 0) co_return Lost(code, "ending the command");
  const auto closed = [channel] { return libssh2_channel_wait_closed(channel); };
  code = co_await Drive(closed, deadline);
  if (code != 0) co_return Lost(code, "ending the command");
  exchange.result.exit_status = libssh2_channel_get_exit_status(channel);
  char* signal = nullptr;
  std::size_t bytes = 0;
  libssh2_channel_get_exit_signal(channel, &signal, &bytes, nullptr, nullptr, nullptr, nullptr);
  if (signal != nullptr) {
    exchange.result.exit_signal = ToValidUtf8(std::string(signal, bytes));
    libssh2_free(ssh_.get(), signal);
  }
  broken_ = false;
  co_return std::move(exchange.result);
}

}  // namespace

OsSshClient::OsSshClient(OsRuntime& rt) : rt_(rt) { InitLibraryOnce(); }

Task<StatusOr<std::unique_ptr<SshSession>>> OsSshClient::Connect(SshTarget target) {
  asio::error_code error;
  const asio::ip::address address = asio::ip::make_address(target.address, error);
  if (error) {
    co_return InvalidArgument(
        Cat("\"", Ellipsize(ToValidUtf8(target.address), 60), "\" is not an IP address"));
  }
  if (target.port < 1 || target.port > 65535) {
    co_return InvalidArgument(Cat(target.port, " is not a port"));
  }
  const StatusOr<PinnedHostKey> pin = ReadPin(target.host_key);
  if (!pin.ok()) co_return pin.status();
  const Status identity = CheckIdentity(target.identity);
  if (!identity.ok()) co_return identity;
  auto session = std::make_unique<Session>(rt_);
  const Status open = co_await session->Open(address, target, *pin);
  if (!open.ok()) co_return open;
  co_return std::unique_ptr<SshSession>(std::move(session));
}

}  // namespace muster
