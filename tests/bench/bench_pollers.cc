// 10,000 pollers, each asking for a log tail every 45 s, with 100 calls that never end, on one
// reactor: what a poll costs, what the pollers hold in memory, and how soon the reactor reacts.
//
//   bench_pollers [SECONDS]     how long to measure (10)
//
// The server runs in a process of its own, so that neither its time nor its memory is counted.
// Each line: RATIO name value bound, where the value must stay at or under the bound.
#include <curl/curl.h>
#include <malloc.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <asio/ip/tcp.hpp>
#include <asio/redirect_error.hpp>
#include <asio/use_awaitable.hpp>
#include <asio/write.hpp>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "workers/os/curl_http_client.h"
#include "workers/os/os_runtime.h"
#include "workers/os/process.h"
#include "workers/ports/observed_http.h"
#include "workers/ports/rate_limiter.h"

namespace muster {
namespace {

using asio::ip::tcp;

constexpr int kPollers = 10'000;
constexpr int kHung = 100;
constexpr absl::Duration kInterval = absl::Seconds(45);
constexpr absl::Duration kLatency = absl::Milliseconds(100);  // of the server
constexpr std::size_t kTailBytes = 4096;
constexpr int kBareCalls = 2000;

Task<void> Serve(OsRuntime* rt, std::shared_ptr<tcp::socket> socket) {
  const std::string answer = Cat("HTTP/1.1 200 OK\r\nContent-Length: ", kTailBytes, "\r\n\r\n",
                                 std::string(kTailBytes, 'x'));
  std::string received;
  while (true) {
    char data[4096];
    asio::error_code error;
    const std::size_t size = co_await socket->async_read_some(
        asio::buffer(data), asio::redirect_error(asio::use_awaitable, error));
    if (error) co_return;
    received.append(data, size);
    const std::size_t end = received.find("\r\n\r\n");
    if (end == std::string::npos) continue;
    if (received.find("/hang") < end) co_await rt->SleepUntil(absl::InfiniteFuture());
    if (received.find("/slow") < end) co_await rt->SleepFor(kLatency);
    received.erase(0, end + 4);
    co_await asio::async_write(*socket, asio::buffer(answer),
                               asio::redirect_error(asio::use_awaitable, error));
  }
}

Task<void> Accept(OsRuntime* rt, tcp::acceptor* acceptor) {
  while (true) {
    auto socket =
        std::make_shared<tcp::socket>(co_await acceptor->async_accept(asio::use_awaitable));
    rt->Spawn("serve", Serve(rt, std::move(socket)));
  }
}

// Starts the server and returns its port. It ends with this process.
int StartServer() {
  int pipe_ends[2];
  MUSTER_CHECK(pipe(pipe_ends) == 0);
  if (fork() == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    OsRuntime rt;
    tcp::acceptor acceptor(rt.context(), tcp::endpoint(asio::ip::address_v4::loopback(), 0));
    const int port = acceptor.local_endpoint().port();
    MUSTER_CHECK(write(pipe_ends[1], &port, sizeof port) == sizeof port);
    rt.Spawn("accept", Accept(&rt, &acceptor));
    rt.Run();
    _exit(0);
  }
  int port = 0;
  MUSTER_CHECK(read(pipe_ends[0], &port, sizeof port) == sizeof port);
  return port;
}

absl::Duration ThreadCpu() {
  rusage usage{};
  getrusage(RUSAGE_THREAD, &usage);
  return absl::DurationFromTimeval(usage.ru_utime) + absl::DurationFromTimeval(usage.ru_stime);
}

double ResidentMb() {
  std::ifstream statm("/proc/self/statm");
  double total = 0, resident = 0;
  statm >> total >> resident;
  return resident * static_cast<double>(sysconf(_SC_PAGESIZE)) / 1e6;
}

// The least that a call costs: curl's blocking interface on one kept connection.
absl::Duration BareCall(const std::string& url) {
  CURL* easy = curl_easy_init();
  std::size_t bytes = 0;
  curl_easy_setopt(easy, CURLOPT_URL, url.c_str());
  curl_easy_setopt(easy, CURLOPT_WRITEDATA, &bytes);
  curl_easy_setopt(
      easy, CURLOPT_WRITEFUNCTION, +[](char*, std::size_t, std::size_t size, void* sum) {
        *static_cast<std::size_t*>(sum) += size;
        return size;
      });
  const absl::Duration start = ThreadCpu();
  for (int i = 0; i < kBareCalls; ++i) MUSTER_CHECK(curl_easy_perform(easy) == CURLE_OK);
  MUSTER_CHECK(bytes == kBareCalls * kTailBytes);
  curl_easy_cleanup(easy);
  return (ThreadCpu() - start) / kBareCalls;
}

struct Bench {
  OsRuntime rt;
  CurlHttpClient curl{rt};
  std::int64_t polls = 0;
  std::int64_t failed = 0;
  ObservedHttpClient http{curl, rt, ProviderName("bench"), [this](const HttpObservation& seen) {
                            ++polls;
                            if (seen.outcome != "2xx") ++failed;
                          }};
  std::unique_ptr<RateLimiter> limiter = MakeRateLimiter(rt, {});
  std::string origin;
  std::vector<absl::Duration> reactions;
};

Task<void> Poll(Bench* bench, absl::Duration offset) {
  absl::Time next = bench->rt.Now() + offset;
  while (true) {
    co_await bench->rt.SleepUntil(next);
    next += kInterval;
    const absl::Time deadline = bench->rt.Now() + absl::Seconds(30);
    const Status slot =
        co_await bench->limiter->Acquire("GET logs", CallPriority::kObserve, deadline);
    if (!slot.ok()) continue;
    HttpRequest request{
        .method = "GET", .url = bench->origin + "/slow", .deadline = deadline, .route = "GET logs"};
    const StatusOr<HttpResponse> response = co_await bench->http.Send(std::move(request));
    if (response.ok()) bench->limiter->Passed("GET logs");
  }
}

Task<void> Hang(Bench* bench) {
  HttpRequest request{.method = "GET",
                      .url = bench->origin + "/hang",
                      .deadline = bench->rt.Now() + absl::Hours(1)};
  const StatusOr<HttpResponse> response = co_await bench->curl.Send(std::move(request));
  MUSTER_CHECK(!response.ok());
}

// How late a task is that something just became due for.
Task<void> React(Bench* bench) {
  while (true) {
    const absl::Time due = bench->rt.Now() + absl::Milliseconds(5);
    co_await bench->rt.SleepUntil(due);
    bench->reactions.push_back(bench->rt.Now() - due);
  }
}

void Ratio(const char* name, double value, double bound) {
  std::printf("RATIO %s %.4g %.4g\n", name, value, bound);
}

void Run(absl::Duration span) {
  const int port = StartServer();
  const std::string origin = Cat("http://127.0.0.1:", port);
  curl_global_init(CURL_GLOBAL_DEFAULT);
  const absl::Duration bare = BareCall(origin + "/now");
  malloc_trim(0);
  const double before_mb = ResidentMb();

  Bench bench;
  bench.origin = origin;
  for (int i = 0; i < kHung; ++i) bench.rt.Spawn("hang", Hang(&bench));
  for (int i = 0; i < kPollers; ++i) bench.rt.Spawn("poll", Poll(&bench, kInterval * i / kPollers));
  bench.rt.Spawn("react", React(&bench));
  bench.rt.RunFor(absl::Seconds(1));  // the start is not counted

  bench.polls = 0;
  bench.reactions.clear();
  const absl::Duration start = ThreadCpu();
  bench.rt.RunFor(span);
  const absl::Duration cpu = ThreadCpu() - start;
  const double memory_mb = ResidentMb() - before_mb;
  MUSTER_CHECK(bench.failed == 0 && bench.polls > 0 && !bench.reactions.empty());
  MUSTER_CHECK(bench.curl.in_flight() >= kHung);

  std::sort(bench.reactions.begin(), bench.reactions.end());
  const absl::Duration p99 = bench.reactions[bench.reactions.size() * 99 / 100];
  const absl::Duration per_poll = cpu / bench.polls;
  std::printf(
      "%d pollers, %d hung calls: %lld polls in %s; %s of CPU per poll (bare curl %s); "
      "%.1f MB; reaction p99 %s, worst %s\n",
      kPollers, kHung, static_cast<long long>(bench.polls), absl::FormatDuration(span).c_str(),
      absl::FormatDuration(per_poll).c_str(), absl::FormatDuration(bare).c_str(), memory_mb,
      absl::FormatDuration(p99).c_str(), absl::FormatDuration(bench.reactions.back()).c_str());
  Ratio("pollers.cpu_of_a_core", absl::FDivDuration(cpu, span), 0.10);
  Ratio("pollers.cpu_per_poll_to_bare_curl", absl::FDivDuration(per_poll, bare), 12);
  Ratio("pollers.memory_of_150_mb", memory_mb / 150, 1);
  Ratio("pollers.reaction_p99_of_10_ms", absl::FDivDuration(p99, absl::Milliseconds(10)), 1);
  bench.rt.DestroyTasks();
}

}  // namespace
}  // namespace muster

int main(int argc, char** argv) {
  const auto limits = muster::HardenProcess();
  if (!limits.ok()) return 1;
  muster::Run(absl::Seconds(argc > 1 ? std::atoi(argv[1]) : 10));
}
