#include "workers/os/curl_http_client.h"

#include <sys/socket.h>

#include <algorithm>
#include <set>
#include <utility>

#include "workers/os/curl_reactor.h"
#include "workers/os/curl_url.h"
#include "workers/os/lookup_gate.h"

namespace muster {
namespace {

// Of all headers of one answer together.
constexpr std::size_t kHeaderBytesMax = 256 << 10;
// curl's buffer for reading, per transfer: small, because thousands may hang at once.
constexpr long kReadBufferBytes = 8 << 10;
// How long curl remembers an address; the gate believes in it for a little less.
constexpr long kNamesKnownS = 60;
constexpr absl::Duration kNamesKnown = absl::Seconds(55);

void InitCurlOnce() {
  static const CURLcode code = curl_global_init(CURL_GLOBAL_DEFAULT);
  MUSTER_CHECK(code == CURLE_OK);
}

bool IsRead(std::string_view method) { return method == "GET" || method == "HEAD"; }

bool IsRedirect(int status) {
  return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

bool EqualIgnoringCase(std::string_view a, std::string_view b) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [&](char x, char y) { return lower(x) == lower(y); });
}

// curl decompressed the body: what the headers say of its encoding and length no longer holds.
void ForgetEncoding(HttpResponse& response) {
  if (FindHeader(response.headers, "content-encoding").empty()) return;
  std::erase_if(response.headers, [](const auto& header) {
    return EqualIgnoringCase(header.first, "content-encoding") ||
           EqualIgnoringCase(header.first, "content-length");
  });
}

Status CheckRequest(const HttpRequest& request) {
  MUSTER_RETURN_IF_ERROR(CheckHttpUrl(request.url));
  const auto upper = [](char c) { return c >= 'A' && c <= 'Z'; };
  if (request.method.empty() || !std::all_of(request.method.begin(), request.method.end(), upper)) {
    return InvalidArgument("the HTTP method is not upper-case letters");
  }
  constexpr std::string_view kBreaks("\r\n\0", 3);
  for (const auto& [name, value] : request.headers) {
    if (name.empty() || name.find_first_of(": ;\t") != std::string::npos ||
        name.find_first_of(kBreaks) != std::string::npos ||
        value.find_first_of(kBreaks) != std::string::npos) {
      return InvalidArgument(
          Cat("the HTTP header ", Ellipsize(ToValidUtf8(name), 40), " cannot be written down"));
    }
  }
  return absl::OkStatus();
}

}  // namespace

// What outlives the client for as long as a task waits in Send.
class CurlHttpClient::Shared {
 public:
  Shared(OsRuntime& runtime, CurlOptions opts)
      : rt(runtime), options(std::move(opts)), lookups(rt, kNamesKnown) {
    InitCurlOnce();
    reactor = std::make_unique<CurlReactor>(rt);
    sessions = curl_share_init();
    curl_share_setopt(sessions, CURLSHOPT_SHARE, CURL_LOCK_DATA_SSL_SESSION);
  }
  Shared(const Shared&) = delete;
  ~Shared() { curl_share_cleanup(sessions); }
  void Close();

  OsRuntime& rt;
  const CurlOptions options;
  LookupGate lookups;
  std::unique_ptr<CurlReactor> reactor;  // null once the client is gone
  CURLSH* sessions;                      // of TLS: a new connection resumes an old handshake
  std::set<Transfer*> transfers;
};

// One request on its way. Lives in the frame of the task that waits for it.
class CurlHttpClient::Transfer {
 public:
  // `looks_up` names the host whose lookup this transfer leads; "" = none.
  Transfer(std::shared_ptr<Shared> shared, const HttpRequest& request, std::string looks_up)
      : shared_(std::move(shared)),
        request_(request),
        signal_(shared_->rt.MakeSignal()),
        looks_up_(std::move(looks_up)) {
    shared_->transfers.insert(this);
  }
  Transfer(const Transfer&) = delete;
  ~Transfer() {
    shared_->transfers.erase(this);
    Detach();
    EndLookup(LookupGate::Result::kNone);
    curl_easy_cleanup(easy_);
    curl_slist_free_all(headers_);
  }

  void Start() {
    easy_ = curl_easy_init();
    MUSTER_CHECK(easy_ != nullptr);
    SetConnection();
    SetRequest();
    SetCallbacks();
    if (!shared_->reactor->Add(easy_, [this](CURLcode code) { Finish(code); })) {
      Finish(CURLE_FAILED_INIT);
    }
  }
  // Ends the transfer with no answer.
  void Abandon() {
    Detach();
    Finish(CURLE_ABORTED_BY_CALLBACK);
  }
  bool done() const { return done_; }
  Signal& signal() { return *signal_; }
  // REQUIRES: called once, after done() or at the deadline
  StatusOr<HttpResponse> Take();

 private:
  void SetConnection();
  void SetRequest();
  void SetCallbacks();
  void AddHeader(const std::string& line) { headers_ = curl_slist_append(headers_, line.c_str()); }
  template <class T>
  void Set(CURLoption option, T value) {
    MUSTER_CHECK(curl_easy_setopt(easy_, option, value) == CURLE_OK);
  }
  void Detach() {
    if (easy_ != nullptr && shared_->reactor != nullptr) shared_->reactor->Remove(easy_);
  }
  void EndLookup(LookupGate::Result result) {
    const std::string host = std::exchange(looks_up_, "");
    if (!host.empty()) shared_->lookups.Leave(host, result);
  }
  void Finish(CURLcode code) {
    EndLookup(code == CURLE_COULDNT_RESOLVE_HOST ? LookupGate::Result::kFailed
                                                 : LookupGate::Result::kNone);
    done_ = true;
    code_ = code;
    signal_->NotifyAll();
  }
  std::string Reason() const { return error_[0] != '\0' ? error_ : curl_easy_strerror(code_); }

  static curl_socket_t OnOpenSocket(void* self, curlsocktype, curl_sockaddr* address);
  static int OnRequest(void* self, char*, char*, int, int);
  static std::size_t OnHeader(char* data, std::size_t, std::size_t size, void* self);
  static std::size_t OnBody(char* data, std::size_t, std::size_t size, void* self);
  bool TakeHeader(std::string_view line);

  const std::shared_ptr<Shared> shared_;
  const HttpRequest& request_;
  const std::unique_ptr<Signal> signal_;
  std::string looks_up_;
  CURL* easy_ = nullptr;
  curl_slist* headers_ = nullptr;
  HttpResponse response_;
  std::size_t header_bytes_ = 0;
  bool head_is_whole_ = false;
  bool sent_ = false;  // from here on the server may have acted
  bool too_large_ = false;
  bool done_ = false;
  CURLcode code_ = CURLE_OK;
  char error_[CURL_ERROR_SIZE] = "";
};

void CurlHttpClient::Shared::Close() {
  for (Transfer* transfer : transfers) {
    if (!transfer->done()) transfer->Abandon();
  }
  lookups.Close();
  reactor.reset();
}

void CurlHttpClient::Transfer::SetConnection() {
  const CurlOptions& options = shared_->options;
  Set(CURLOPT_SHARE, shared_->sessions);
  Set(CURLOPT_NOSIGNAL, 1L);
  Set(CURLOPT_PROTOCOLS_STR, "http,https");
  Set(CURLOPT_PROXY, "");
  Set(CURLOPT_NETRC, static_cast<long>(CURL_NETRC_IGNORED));
  Set(CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_2TLS));
  Set(CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
  Set(CURLOPT_SSL_VERIFYPEER, 1L);
  Set(CURLOPT_SSL_VERIFYHOST, 2L);
  if (!options.ca_file.empty()) {
    Set(CURLOPT_CAINFO, options.ca_file.c_str());
    Set(CURLOPT_CAPATH, static_cast<char*>(nullptr));
  }
  Set(CURLOPT_TCP_KEEPALIVE, 1L);
  Set(CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(std::max<std::int64_t>(
                                     1, absl::ToInt64Milliseconds(options.connect_timeout))));
  Set(CURLOPT_MAXAGE_CONN, static_cast<long>(absl::ToInt64Seconds(options.idle_max)));
  // A name that is still being looked up at the deadline is left to its thread; joining that
  // thread would hold the reactor.
  Set(CURLOPT_QUICK_EXIT, 1L);
  Set(CURLOPT_DNS_CACHE_TIMEOUT, kNamesKnownS);
  Set(CURLOPT_BUFFERSIZE, kReadBufferBytes);
}

void CurlHttpClient::Transfer::SetRequest() {
  Set(CURLOPT_URL, request_.url.c_str());
  Set(CURLOPT_PATH_AS_IS, 1L);
  // A part of a compressed text cannot be decompressed.
  if (FindHeader(request_.headers, "range").empty()) Set(CURLOPT_ACCEPT_ENCODING, "");
  Set(CURLOPT_USERAGENT, shared_->options.user_agent.c_str());
  const std::string& method = request_.method;
  const bool body =
      !request_.body.empty() || method == "POST" || method == "PUT" || method == "PATCH";
  if (method == "HEAD") {
    Set(CURLOPT_NOBODY, 1L);
  } else if (body) {
    Set(CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request_.body.size()));
    Set(CURLOPT_POSTFIELDS, request_.body.data());
    Set(CURLOPT_CUSTOMREQUEST, method.c_str());
    AddHeader("Expect:");  // would wait a second for servers that do not know it
    if (FindHeader(request_.headers, "content-type").empty()) AddHeader("Content-Type:");
  } else if (method != "GET") {
    Set(CURLOPT_CUSTOMREQUEST, method.c_str());
  }
  for (const auto& [name, value] : request_.headers) {
    AddHeader(value.empty() ? name + ";" : Cat(name, ": ", value));  // ";" is curl's empty value
  }
  Set(CURLOPT_HTTPHEADER, headers_);
}

void CurlHttpClient::Transfer::SetCallbacks() {
  Set(CURLOPT_ERRORBUFFER, &error_[0]);
  Set(CURLOPT_OPENSOCKETFUNCTION, &Transfer::OnOpenSocket);
  Set(CURLOPT_OPENSOCKETDATA, this);
  Set(CURLOPT_PREREQFUNCTION, &Transfer::OnRequest);
  Set(CURLOPT_PREREQDATA, this);
  Set(CURLOPT_HEADERFUNCTION, &Transfer::OnHeader);
  Set(CURLOPT_HEADERDATA, this);
  Set(CURLOPT_WRITEFUNCTION, &Transfer::OnBody);
  Set(CURLOPT_WRITEDATA, this);
}

// Called when there is an address to connect to.
curl_socket_t CurlHttpClient::Transfer::OnOpenSocket(void* self, curlsocktype,
                                                     curl_sockaddr* address) {
  static_cast<Transfer*>(self)->EndLookup(LookupGate::Result::kFound);
  return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

// Called when the connection stands and the request is about to leave. The second time for one
// transfer, curl found a kept connection dead and wants to send the request again.
int CurlHttpClient::Transfer::OnRequest(void* self, char*, char*, int, int) {
  auto* transfer = static_cast<Transfer*>(self);
  transfer->EndLookup(LookupGate::Result::kNone);  // a kept connection needed none
  const bool again = std::exchange(transfer->sent_, true);
  if (again && !IsRead(transfer->request_.method)) return CURL_PREREQFUNC_ABORT;
  return CURL_PREREQFUNC_OK;
}

std::size_t CurlHttpClient::Transfer::OnHeader(char* data, std::size_t, std::size_t size,
                                               void* self) {
  return static_cast<Transfer*>(self)->TakeHeader({data, size}) ? size : 0;
}

bool CurlHttpClient::Transfer::TakeHeader(std::string_view line) {
  header_bytes_ += line.size();
  if (header_bytes_ > kHeaderBytesMax) {
    too_large_ = true;
    return false;
  }
  if (line.substr(0, 5) == "HTTP/") {  // a new answer: what came before was an interim one
    response_.headers.clear();
    head_is_whole_ = false;
    return true;
  }
  const std::size_t colon = line.find(':');
  if (colon == std::string_view::npos) {
    head_is_whole_ = head_is_whole_ || Trim(line).empty();
    return true;
  }
  response_.headers.emplace_back(Trim(line.substr(0, colon)), Trim(line.substr(colon + 1)));
  return true;
}

std::size_t CurlHttpClient::Transfer::OnBody(char* data, std::size_t, std::size_t size,
                                             void* self) {
  auto* transfer = static_cast<Transfer*>(self);
  std::string& body = transfer->response_.body;
  if (size > transfer->request_.body_bytes_max - body.size()) {
    transfer->too_large_ = true;
    return size == 0 ? 1 : 0;  // anything but `size` ends the transfer
  }
  body.append(data, size);
  return size;
}

StatusOr<HttpResponse> CurlHttpClient::Transfer::Take() {
  if (!done_) {
    if (!sent_) return Unavailable("not connected in time; nothing was sent");
    return DeadlineExceeded("no whole answer in time");
  }
  if (too_large_) return ResourceExhausted("the answer is too large");
  if (code_ != CURLE_OK) {
    if (code_ == CURLE_URL_MALFORMAT || code_ == CURLE_UNSUPPORTED_PROTOCOL) {
      if (!sent_) return InvalidArgument(Cat("URL: ", Reason()));
    }
    if (!sent_) return Unavailable(Cat("nothing was sent: ", Reason()));
    return Unknown(Cat("cut after sending: ", Reason()));
  }
  // curl takes a connection closed amid the headers for the end of an answer without a body.
  if (!head_is_whole_) return Unknown("cut after sending: no whole head of an answer");
  long status = 0;
  curl_easy_getinfo(easy_, CURLINFO_RESPONSE_CODE, &status);
  if (status < 100 || status > 599) return Unknown(Cat("no HTTP status: ", status));
  response_.status = static_cast<int>(status);
  ForgetEncoding(response_);
  return std::move(response_);
}

CurlHttpClient::CurlHttpClient(OsRuntime& rt, CurlOptions options)
    : shared_(std::make_shared<Shared>(rt, std::move(options))) {}

CurlHttpClient::~CurlHttpClient() { shared_->Close(); }

std::size_t CurlHttpClient::in_flight() const { return shared_->transfers.size(); }

Task<StatusOr<HttpResponse>> CurlHttpClient::Send(HttpRequest request) {
  return Exchange(shared_, std::move(request));
}

Task<StatusOr<HttpResponse>> CurlHttpClient::Exchange(std::shared_ptr<Shared> shared,
                                                      HttpRequest request) {
  CO_RETURN_IF_ERROR(CheckRequest(request));
  while (true) {
    StatusOr<HttpResponse> response = co_await Once(shared, &request);
    if (!response.ok() || !IsRedirect(response->status) || !IsRead(request.method) ||
        request.redirects_max <= 0) {
      co_return response;
    }
    std::optional<std::string> next =
        SameOriginUrl(request.url, FindHeader(response->headers, "location"));
    if (!next.has_value()) co_return response;
    --request.redirects_max;
    request.url = *std::move(next);
  }
}

Task<StatusOr<HttpResponse>> CurlHttpClient::Once(std::shared_ptr<Shared> shared,
                                                  const HttpRequest* request) {
  if (shared->reactor == nullptr) co_return Unavailable("the HTTP client is closed");
  if (request->deadline <= shared->rt.Now()) {
    co_return Unavailable("the deadline has passed; nothing was sent");
  }
  std::string host = HostOf(request->url);
  const LookupGate::Entry entry = co_await shared->lookups.Enter(host, request->deadline);
  if (shared->reactor == nullptr) co_return Unavailable("the HTTP client is closed");
  if (entry == LookupGate::Entry::kLate) co_return Unavailable("no address in time; not sent");
  if (entry == LookupGate::Entry::kFailed) co_return Unavailable(Cat("no address of ", host));
  if (entry != LookupGate::Entry::kLead) host.clear();
  Transfer transfer(std::move(shared), *request, std::move(host));
  transfer.Start();
  while (!transfer.done()) {
    const bool notified = co_await transfer.signal().WaitUntil(request->deadline);
    if (!notified) break;
  }
  co_return transfer.Take();
}

}  // namespace muster
