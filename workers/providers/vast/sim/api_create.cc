// PUT asks/{id}/: renting an offer, with every way of being refused.
#include <nlohmann/json.hpp>

#include "workers/providers/vast/sim/api.h"

namespace muster::vastsim {

namespace {

constexpr std::size_t kImageBytesMax = 1024;
constexpr std::size_t kLabelBytesMax = 256;
constexpr std::size_t kScriptBytesMax = 4096;
constexpr std::size_t kEnvKeyBytesMax = 256;
constexpr std::size_t kEnvBytesMax = 32768;
constexpr double kDiskGbMin = 8;

Status Bad(std::string_view what) {
  return InvalidArgument(Cat("error 400/3467: Invalid args: ", what));
}

Status ReadEnv(const Json& body, CreateOrder& order) {
  const auto env = body.find("env");
  // Docker flags in a string are accepted and have no effect, as documented.
  if (env == body.end() || !env->is_object()) return {};
  std::size_t bytes = 0;
  for (const auto& [key, value] : env->items()) {
    if (key.size() > kEnvKeyBytesMax) return Bad("env key is too long");
    std::string text = value.is_string() ? value.get<std::string>() : value.dump();
    bytes += key.size() + text.size();
    order.env.emplace_back(key, std::move(text));
  }
  return bytes > kEnvBytesMax ? Bad("env is too large") : Status();
}

Status ReadScript(const Json& body, CreateOrder& order) {
  order.onstart = TextOr(body, "onstart", "");
  std::size_t bytes = order.onstart.size() + TextOr(body, "args_str", "").size();
  const Json args = body.value("args", Json());
  if (args.is_array()) {
    for (const Json& arg : args) bytes += arg.dump().size();
  }
  return bytes > kScriptBytesMax ? Bad("onstart, args and args_str exceed 4096 characters")
                                 : Status();
}

StatusOr<CreateOrder> ReadOrder(const Json& body) {
  CreateOrder order;
  order.image = TextOr(body, "image", "");
  if (order.image.empty()) {
    order.image = TextOr(body, "template_hash_id", "");
    if (order.image.empty()) return Bad("image is required");
  }
  if (order.image.size() > kImageBytesMax) return Bad("image is too long");
  order.disk_gb = NumberOr(body, "disk", kDiskGbMin);
  if (!(order.disk_gb >= kDiskGbMin)) return Bad("disk must be at least 8");
  if (const auto label = body.find("label"); label != body.end() && label->is_string()) {
    order.label = label->get<std::string>();
    if (order.label->size() > kLabelBytesMax) return Bad("label is too long");
  }
  order.runtype = TextOr(body, "runtype", "ssh");
  if (const auto price = body.find("price"); price != body.end() && !price->is_null()) {
    order.bid_usd_per_hour = NumberOr(body, "price", -1);
  }
  const std::string target = TextOr(body, "target_state", "running");
  if (target != "running" && target != "stopped") return Bad("target_state");
  order.start = target == "running";
  order.cancel_unavail = order.start && !order.bid_usd_per_hour.has_value();
  if (const auto cancel = body.find("cancel_unavail");
      cancel != body.end() && cancel->is_boolean()) {
    order.cancel_unavail = cancel->get<bool>();
  }
  MUSTER_RETURN_IF_ERROR(ReadEnv(body, order));
  MUSTER_RETURN_IF_ERROR(ReadScript(body, order));
  return order;
}

SimReply OfferGone(std::int64_t ask, bool cancel_unavail) {
  if (cancel_unavail) {
    return JsonReply(410, {{"success", false},
                           {"error", "no_such_ask"},
                           {"msg", Cat("error 410/3907: no_such_ask Instance type ", ask,
                                       " is no longer available.")},
                           {"ask_id", ask}});
  }
  return JsonReply(
      404,
      {{"success", false},
       {"error", "invalid_args"},
       {"msg", Cat("error 404/3603: no_such_ask Instance type by id ", ask, " is not available.")},
       {"ask_id", ask}});
}

// A refusal that a trap asks for; nullopt = none.
std::optional<SimReply> TrappedRefusal(World& world, std::int64_t ask) {
  if (world.Fire(Trap::kSpendLimit)) {
    return ErrorReply(400, "spend_rate_limit", "Spending rate limit of new accounts reached.");
  }
  if (world.Fire(Trap::kOfferGone404)) return OfferGone(ask, false);
  if (world.Fire(Trap::kOfferGone410)) return OfferGone(ask, true);
  if (world.Fire(Trap::kOfferGone400)) {
    return JsonReply(400, {{"msg", Cat("no_such_ask Instance type ", ask, " is gone")}});
  }
  if (world.Fire(Trap::kOfferGone200)) {
    return JsonReply(200, {{"success", false}, {"msg", "Instance type is not available."}});
  }
  return std::nullopt;
}

}  // namespace

SimReply Create(World& world, const Call& call, const Json& body) {
  const StatusOr<CreateOrder> read = ReadOrder(body);
  if (!read.ok()) return ErrorReply(400, "invalid_args", Message(read.status()));
  CreateOrder order = *read;
  if (order.bid_usd_per_hour.has_value() &&
      !(*order.bid_usd_per_hour >= 0.001 && *order.bid_usd_per_hour <= 128)) {
    return ErrorReply(400, "invalid_price", "error 400/3467: Invalid args: price");
  }
  if (world.Fire(Trap::kNoCredit) || world.credit_usd() <= 0) {
    return ErrorReply(400, "insufficient_credit",
                      "Your account lacks credit; see the billing page.");
  }
  if (std::optional<SimReply> refused = TrappedRefusal(world, call.id)) return *refused;
  const OfferRow* offer = world.market.FindOffer(call.id);
  if (offer == nullptr) return OfferGone(call.id, order.cancel_unavail);
  const Machine& machine = world.market.machine(offer->machine);
  if (order.disk_gb > machine.disk_gb) {
    return ErrorReply(400, "invalid_args", "error 400/3467: Invalid args: disk is too large");
  }
  const double least_bid = machine.usd_per_gpu_hour * offer->gpus * 0.5;
  if (order.bid_usd_per_hour.has_value() && *order.bid_usd_per_hour < least_bid) {
    order.start = false;  // waits, stopped, until it wins
  }
  if (world.Fire(Trap::kCreateStopped)) order.start = false;
  const Fault* dearer = world.Fire(Trap::kPriceAboveOffer);
  const double extra = dearer == nullptr ? 0 : (dearer->value == 0 ? 0.01 : dearer->value);
  const Contract& made = world.Rent(*offer, order, extra);
  world.call_instance = made.id;
  Json answer = {{"success", true}, {"new_contract", made.id}};
  if (world.Fire(Trap::kIdsAsFloats)) answer["new_contract"] = static_cast<double>(made.id);
  answer["instance_api_key"] = Cat("instance-key-", world.rng.Token(24));
  if (world.Fire(Trap::kCreateTwice) && !world.market.offers().empty()) {
    world.Rent(OfferRow(world.market.offers().begin()->second), order, 0);
  }
  if (world.Fire(Trap::kCreateNoContract)) answer.erase("new_contract");
  return JsonReply(200, answer);
}

}  // namespace muster::vastsim
