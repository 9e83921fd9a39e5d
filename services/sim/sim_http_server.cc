#include "services/sim/sim_http_server.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/http_struct.h>
#include <event2/keyvalq_struct.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <set>
#include <thread>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "eventstore/base/check.h"

namespace muster {

namespace {

constexpr std::size_t kBodyBytesMax = 4 << 20;

std::string MethodName(evhttp_cmd_type command) {
  switch (command) {
    case EVHTTP_REQ_GET:
      return "GET";
    case EVHTTP_REQ_POST:
      return "POST";
    case EVHTTP_REQ_HEAD:
      return "HEAD";
    case EVHTTP_REQ_PUT:
      return "PUT";
    case EVHTTP_REQ_DELETE:
      return "DELETE";
    case EVHTTP_REQ_PATCH:
      return "PATCH";
    case EVHTTP_REQ_OPTIONS:
      return "OPTIONS";
    default:
      return "OTHER";
  }
}

HttpRequest ReadRequest(evhttp_request* raw) {
  HttpRequest request;
  request.method = MethodName(evhttp_request_get_command(raw));
  request.url = evhttp_request_get_uri(raw);
  const evkeyvalq* headers = evhttp_request_get_input_headers(raw);
  for (const evkeyval* one = headers->tqh_first; one != nullptr; one = one->next.tqe_next) {
    request.headers.emplace_back(one->key, one->value);
  }
  evbuffer* body = evhttp_request_get_input_buffer(raw);
  request.body.resize(evbuffer_get_length(body));
  evbuffer_copyout(body, request.body.data(), request.body.size());
  return request;
}

void AddHeaders(evhttp_request* raw, const HttpHeaders& headers) {
  for (const auto& [name, value] : headers) {
    evhttp_add_header(evhttp_request_get_output_headers(raw), name.c_str(), value.c_str());
  }
}

// Ends the client's connection with a reset instead of an orderly end. Disconnecting comes first:
// evhttp shuts a connection down before it closes it, which a client would take for the end.
void Reset(evhttp_request* raw) {
  evhttp_connection* connection = evhttp_request_get_connection(raw);
  const sockaddr nowhere{.sa_family = AF_UNSPEC};
  const int socket = bufferevent_getfd(evhttp_connection_get_bufferevent(connection));
  const int reset = connect(socket, &nowhere, sizeof(nowhere));
  static_cast<void>(reset);  // a client that has gone already needs none
  evhttp_connection_free(connection);
}

}  // namespace

class SimHttpServer::Impl {
 public:
  Impl(std::unique_ptr<SimServer> sim, Options options)
      : options_(std::move(options)), sim_(std::move(sim)) {}

  ~Impl() {
    if (thread_.joinable()) {
      const std::uint64_t one = 1;
      MUSTER_CHECK(write(stop_fd_, &one, sizeof(one)) == sizeof(one));
      thread_.join();
    }
    while (!pending_.empty()) Release(*pending_.begin());
    if (http_ != nullptr) evhttp_free(http_);
    if (stop_event_ != nullptr) event_free(stop_event_);
    if (base_ != nullptr) event_base_free(base_);
    if (stop_fd_ >= 0) close(stop_fd_);
  }

  Status Listen() {
    base_ = event_base_new();
    http_ = evhttp_new(base_);
    stop_fd_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    MUSTER_CHECK(base_ != nullptr && http_ != nullptr && stop_fd_ >= 0);
    evhttp_set_allowed_methods(http_, EVHTTP_REQ_GET | EVHTTP_REQ_POST | EVHTTP_REQ_HEAD |
                                          EVHTTP_REQ_PUT | EVHTTP_REQ_DELETE | EVHTTP_REQ_PATCH |
                                          EVHTTP_REQ_OPTIONS);
    evhttp_set_max_body_size(http_, kBodyBytesMax);
    evhttp_set_default_content_type(http_, nullptr);
    evhttp_set_gencb(http_, &OnRequest, this);
    evhttp_bound_socket* bound = evhttp_bind_socket_with_handle(
        http_, options_.address.c_str(), static_cast<ev_uint16_t>(options_.port));
    if (bound == nullptr) {
      return Unavailable(Cat("cannot listen on ", options_.address, ":", options_.port));
    }
    origin_ = Cat("http://", options_.address, ":", PortOf(bound));
    {
      absl::MutexLock lock(&mutex_);
      sim_->SetOrigin(origin_);
    }
    stop_event_ = event_new(base_, stop_fd_, EV_READ, &OnStop, this);
    event_add(stop_event_, nullptr);
    began_ = std::chrono::steady_clock::now();
    thread_ = std::thread([this] { event_base_dispatch(base_); });
    return {};
  }

  const std::string& origin() const { return origin_; }

  absl::Time Now() const {
    const auto gone = std::chrono::steady_clock::now() - began_;
    return options_.start + absl::FromChrono(gone) * options_.speed;
  }

  void With(const std::function<void(SimServer&, absl::Time)>& work) {
    absl::MutexLock lock(&mutex_);
    work(*sim_, Now());
  }

 private:
  // An exchange whose answer waits, or never comes. Gone when the client closes.
  struct Pending {
    Impl* server = nullptr;
    evhttp_request* request = nullptr;
    SimReply reply;
    event* timer = nullptr;  // none for an answer that never comes
    event* watch = nullptr;  // sees the client leave, for which evhttp does not look meanwhile
  };

  static int PortOf(evhttp_bound_socket* bound) {
    sockaddr_storage address{};
    socklen_t size = sizeof(address);
    getsockname(evhttp_bound_socket_get_fd(bound), reinterpret_cast<sockaddr*>(&address), &size);
    const auto* in = reinterpret_cast<const std::uint8_t*>(&address);
    return in[2] * 256 + in[3];  // sin_port and sin6_port lie at the same place
  }

  static void OnStop(evutil_socket_t, short, void* self) {
    event_base_loopbreak(static_cast<Impl*>(self)->base_);
  }

  static void OnRequest(evhttp_request* raw, void* self) { static_cast<Impl*>(self)->Serve(raw); }

  static void OnClientGone(evhttp_connection*, void* pending) {
    auto* one = static_cast<Pending*>(pending);
    one->server->Forget(one);
  }

  // Once: bytes of a next request are left for later, an end means that nobody waits any more.
  static void OnReadable(evutil_socket_t fd, short, void* pending) {
    auto* one = static_cast<Pending*>(pending);
    char byte;
    if (recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0) return;
    evhttp_connection* const connection = evhttp_request_get_connection(one->request);
    one->server->Release(one);
    evhttp_connection_free(connection);
  }

  static void OnTimer(evutil_socket_t, short, void* pending) {
    auto* one = static_cast<Pending*>(pending);
    evhttp_request* const raw = one->request;
    const SimReply reply = std::move(one->reply);
    one->server->Release(one);
    Answer(raw, reply);
  }

  void Serve(evhttp_request* raw) {
    const HttpRequest request = ReadRequest(raw);
    SimReply reply;
    {
      absl::MutexLock lock(&mutex_);
      reply = sim_->Handle(request, Now());
    }
    const bool hangs = reply.cut == SimReply::Cut::kHang;
    if (!hangs && reply.delay <= absl::ZeroDuration()) {
      Answer(raw, reply);
      return;
    }
    auto* one = new Pending{.server = this, .request = raw, .reply = std::move(reply)};
    pending_.insert(one);
    evhttp_connection* const connection = evhttp_request_get_connection(raw);
    evhttp_connection_set_closecb(connection, &OnClientGone, one);
    const int fd = bufferevent_getfd(evhttp_connection_get_bufferevent(connection));
    one->watch = event_new(base_, fd, EV_READ, &OnReadable, one);
    event_add(one->watch, nullptr);
    if (hangs) return;
    one->timer = evtimer_new(base_, &OnTimer, one);
    const timeval wait = absl::ToTimeval(one->reply.delay / options_.speed);
    evtimer_add(one->timer, &wait);
  }

  // Forgets an exchange whose connection is still there.
  void Release(Pending* one) {
    evhttp_connection_set_closecb(evhttp_request_get_connection(one->request), nullptr, nullptr);
    Forget(one);
  }

  void Forget(Pending* one) {
    if (one->timer != nullptr) event_free(one->timer);
    event_free(one->watch);
    pending_.erase(one);
    delete one;
  }

  static void Answer(evhttp_request* raw, const SimReply& reply) {
    if (reply.cut == SimReply::Cut::kResetBeforeAnswer) {
      Reset(raw);
      return;
    }
    AddHeaders(raw, reply.response.headers);
    const std::string& body = reply.response.body;
    evbuffer* buffer = evbuffer_new();
    if (reply.cut == SimReply::Cut::kTruncate) {
      // The head promises the whole body, half of it follows, then the reset.
      evbuffer_add(buffer, body.data(), body.size() / 2);
      evhttp_add_header(evhttp_request_get_output_headers(raw), "Content-Length",
                        Cat(body.size() + 1).c_str());
      evhttp_send_reply_start(raw, reply.response.status, nullptr);
      evhttp_send_reply_chunk_with_cb(
          raw, buffer,
          [](evhttp_connection*, void* request) { Reset(static_cast<evhttp_request*>(request)); },
          raw);
    } else {
      evbuffer_add(buffer, body.data(), body.size());
      evhttp_send_reply(raw, reply.response.status, nullptr, buffer);
    }
    evbuffer_free(buffer);
  }

  const Options options_;
  std::string origin_;
  std::chrono::steady_clock::time_point began_;
  absl::Mutex mutex_;
  const std::unique_ptr<SimServer> sim_ ABSL_PT_GUARDED_BY(mutex_);

  // Of the server's thread, once it runs.
  event_base* base_ = nullptr;
  evhttp* http_ = nullptr;
  event* stop_event_ = nullptr;
  std::set<Pending*> pending_;

  int stop_fd_ = -1;
  std::thread thread_;
};

SimHttpServer::SimHttpServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
SimHttpServer::~SimHttpServer() = default;

StatusOr<std::unique_ptr<SimHttpServer>> SimHttpServer::Start(std::unique_ptr<SimServer> sim,
                                                              Options options) {
  if (!(options.speed > 0)) return InvalidArgument("the speed must be above zero");
  auto impl = std::make_unique<Impl>(std::move(sim), std::move(options));
  MUSTER_RETURN_IF_ERROR(impl->Listen());
  return std::unique_ptr<SimHttpServer>(new SimHttpServer(std::move(impl)));
}

const std::string& SimHttpServer::origin() const { return impl_->origin(); }
absl::Time SimHttpServer::Now() const { return impl_->Now(); }
void SimHttpServer::With(const std::function<void(SimServer&, absl::Time)>& work) {
  impl_->With(work);
}

}  // namespace muster
