// SimDriver: talks to a HetznerSim as an HTTP client would, with a clock it moves by hand.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_replace.h"
#include "workers/providers/hetzner/sim/hetzner_sim.h"

namespace muster::hetznersim {

inline constexpr char kKeyA[] =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJkNMXe3uw7GHCb3rtPKBK3z4PUIUxdRkeSJIiVoBvOX a";
inline constexpr char kMd5A[] = "5d:ea:a0:84:39:01:7d:5e:55:e1:f9:5c:e2:04:ef:ee";

// Notes what it is told, as a stand-in for machines.
class NotedMachines final : public SimMachines {
 public:
  std::vector<HostKeyFingerprint> Boot(const SimBoot& boot) override {
    boots.push_back(boot);
    return {{"ED25519", std::string(43, static_cast<char>('a' + boots.size()))}};
  }
  void Off(const ServerNumber& server, bool forget) override {
    offs.push_back(Cat(server.str(), forget ? " forgotten" : ""));
  }
  std::vector<SimBoot> boots;
  std::vector<std::string> offs;
};

struct Answer {
  int status = 0;
  std::string text;
  nlohmann::json body;
  HttpHeaders headers;
  SimReply::Cut cut = SimReply::Cut::kNone;
  absl::Duration delay;
};

class SimDriver {
 public:
  SimDriver() : sim(Calm(), now, &machines) {}
  static HetznerSimOptions Calm() {
    HetznerSimOptions options;
    options.reduce_interval = absl::ZeroDuration();
    return options;
  }
  Answer Do(std::string method, std::string path, std::string form = "",
            std::string login = "#ws+sim:sim-password") {
    HttpRequest request;
    request.method = std::move(method);
    request.url = Cat("http://robot.sim/", path);
    request.headers = {{"Authorization", Cat("Basic ", absl::Base64Escape(login))}};
    request.body = std::move(form);
    const SimReply reply = sim.Handle(request, now);
    Answer answer{.status = reply.response.status,
                  .text = reply.response.body,
                  .body = nullptr,
                  .headers = reply.response.headers,
                  .cut = reply.cut,
                  .delay = reply.delay};
    answer.body = nlohmann::json::parse(answer.text, nullptr, /*allow_exceptions=*/false);
    return answer;
  }
  void Wait(absl::Duration span) {
    now += span;
    sim.Advance(now);
  }
  Answer StoreKey() {
    const std::string data = absl::StrReplaceAll(kKeyA, {{"+", "%2B"}, {" ", "+"}});
    return Do("POST", "key", Cat("name=a&data=", data));
  }
  std::string OrderForm(std::string keys, std::string more = "") {
    return Cat("product_id=", sim.Products().at(0).id, "&", keys, more);
  }
  Answer Order(std::string more = "") {
    return Do("POST", "order/server_market/transaction",
              OrderForm(Cat("authorized_key[]=", kMd5A), std::move(more)));
  }
  // A server that was ordered and delivered.
  std::int64_t Server() {
    StoreKey();
    Order();
    Wait(absl::Minutes(8));
    return sim.Servers().at(0).number;
  }
  Answer Rescue(std::int64_t server) {
    return Do("POST", Cat("boot/", server, "/rescue"), Cat("os=linux&authorized_key[]=", kMd5A));
  }
  Answer Reset(std::int64_t server) { return Do("POST", Cat("reset/", server), "type=hw"); }
  Answer Cancel(std::int64_t server, std::string date = "now") {
    return Do("POST", Cat("server/", server, "/cancellation"), Cat("cancellation_date=", date));
  }

  absl::Time now = absl::FromUnixSeconds(1'795'260'643);  // 2026-11-21 12:30:43 in Berlin
  NotedMachines machines;
  HetznerSim sim;
};

}  // namespace muster::hetznersim
