// SimDriver: talks to a VastSim as an HTTP client would, with a clock it moves by hand.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <utility>

#include "absl/time/time.h"
#include "workers/providers/vast/sim/vast_sim.h"

namespace muster::vastsim {

struct Answer {
  int status = 0;
  std::string text;
  nlohmann::json json;
  HttpHeaders headers;
  SimReply::Cut cut = SimReply::Cut::kNone;
  absl::Duration delay;
};

// The value of "order" for one column. (Spelt with braces it would be a JSON object.)
inline nlohmann::json By(const char* column) {
  return nlohmann::json::array({nlohmann::json::array({column, "asc"})});
}

class SimDriver {
 public:
  explicit SimDriver(VastSimOptions options = Calm())
      : now(absl::FromUnixSeconds(1'790'000'000)), sim(std::move(options), now) {
    sim.SetOrigin("http://127.0.0.1:4010");
  }

  // A market that stands still, and no limits unless a test asks for them.
  static VastSimOptions Calm() {
    VastSimOptions options;
    options.rate_limits = false;
    options.churn_interval = absl::ZeroDuration();
    return options;
  }

  Answer Do(std::string method, std::string path, const nlohmann::json& body = nullptr) {
    HttpRequest request;
    request.method = std::move(method);
    request.url = std::move(path);
    if (!key.empty()) request.headers = {{"Authorization", "Bearer " + key}};
    if (!body.is_null()) request.body = body.dump();
    return Send(request);
  }
  Answer Send(const HttpRequest& request) {
    SimReply reply = sim.Handle(request, now);
    Answer answer{.status = reply.response.status,
                  .text = reply.response.body,
                  .headers = reply.response.headers,
                  .cut = reply.cut,
                  .delay = reply.delay};
    answer.json = nlohmann::json::parse(answer.text, nullptr, /*allow_exceptions=*/false);
    return answer;
  }
  void Wait(absl::Duration span) {
    now += span;
    sim.Advance(now);
  }

  Answer Search(nlohmann::json query = nlohmann::json::object()) {
    return Do("POST", "/api/v0/bundles/", query);
  }
  Answer CreateAt(std::int64_t offer, std::string label,
                  nlohmann::json more = nlohmann::json::object()) {
    nlohmann::json body = {{"image", "pytorch/pytorch:2.6.0"}, {"disk", 15}, {"label", label}};
    body.update(more);
    return Do("PUT", "/api/v0/asks/" + std::to_string(offer) + "/", body);
  }
  // The cheapest single-GPU offer.
  nlohmann::json Cheapest() {
    return Search({{"num_gpus", {{"eq", 1}}}, {"order", By("dph_total")}}).json["offers"][0];
  }
  // Rents the cheapest offer; the instance id.
  std::int64_t Rent(std::string label, nlohmann::json more = nlohmann::json::object()) {
    return CreateAt(Cheapest()["id"], std::move(label), std::move(more)).json["new_contract"];
  }
  // Rents and waits until the worker has produced.
  std::int64_t RentProducing(std::string label) {
    const std::int64_t id = Rent(std::move(label));
    Wait(absl::Minutes(20));
    return id;
  }
  nlohmann::json List(std::string query = "") {
    return Do("GET", "/api/v1/instances/" + query).json;
  }
  nlohmann::json Row(std::int64_t id) {
    return Do("GET", "/api/v0/instances/" + std::to_string(id) + "/").json["instances"];
  }
  // Both steps, as a patient client does them.
  std::string Log(std::int64_t id, int tail = 50) {
    const Answer asked = Do("PUT", "/api/v0/instances/request_logs/" + std::to_string(id) + "/",
                            {{"tail", std::to_string(tail)}});
    if (asked.status != 200) return "";
    Wait(absl::Seconds(2));
    return FetchUrl(asked.json["result_url"]).text;
  }
  Answer FetchUrl(std::string url) {
    HttpRequest request;
    request.method = "GET";
    request.url = std::move(url);
    return Send(request);
  }

  absl::Time now;
  VastSim sim;
  std::string key = "sim-key";
};

}  // namespace muster::vastsim
