#include "eventstore/audit/proof.h"

#include <nlohmann/json.hpp>
#include <utility>

#include "eventstore/audit/hex.h"
#include "eventstore/base/sha256.h"
#include "eventstore/record.h"

namespace muster::audit {
namespace {

constexpr char kFormat[] = "muster-proof 1";

Status NoProof() {
  return InvalidArgument(Cat("no proof: expected JSON of the format \"", kFormat,
                             "\", as 'muster audit prove' prints it"));
}

std::string Text(const nlohmann::json& json, const char* key) {
  const auto found = json.find(key);
  return found != json.end() && found->is_string() ? found->get<std::string>() : std::string();
}

}  // namespace

ProofMaker::ProofMaker(Position position, SignedHead head)
    : position_(position), head_(std::move(head)), path_(position, head_.head.position) {}

StatusOr<ProofMaker> ProofMaker::For(Position position, SignedHead head) {
  if (position == 0 || position > head.head.position) {
    return InvalidArgument(Cat("event ", position, " is not among those the head speaks of: 1 to ",
                               head.head.position));
  }
  return ProofMaker(position, std::move(head));
}

Status ProofMaker::Take(std::string_view record) {
  const EventHash before = walk_.hash();
  MUSTER_RETURN_IF_ERROR(walk_.Take(record));
  path_.Append(walk_.hash());
  if (walk_.position() == position_) {
    previous_ = before;
    record_ = std::string(record);
  }
  return HeadCheck(head_.head).See(walk_);
}

std::string ProofMaker::Proof() const {
  nlohmann::ordered_json proof;
  proof["format"] = kFormat;
  proof["position"] = position_;
  proof["record"] = HexOf(record_);
  proof["previous"] = ToHex(previous_);
  proof["path"] = nlohmann::json::array();
  for (const EventHash& hash : path_.Path()) proof["path"].push_back(ToHex(hash));
  proof["head"] = nlohmann::ordered_json::parse(head_.text, nullptr, false);
  return proof.dump();
}

StatusOr<ProvedEvent> CheckProof(std::string_view proof, std::string_view public_key) {
  const nlohmann::json json = nlohmann::json::parse(proof, nullptr, false);
  if (!json.is_object() || Text(json, "format") != kFormat) return NoProof();
  const auto record = BytesOfHex(Text(json, "record"));
  const auto previous = HashOfHex(Text(json, "previous"));
  const auto steps = json.find("path");
  const auto head = json.find("head");
  if (!record || !previous || steps == json.end() || !steps->is_array() || head == json.end()) {
    return NoProof();
  }
  std::vector<EventHash> path;
  for (const nlohmann::json& step : *steps) {
    const auto hash = step.is_string() ? HashOfHex(step.get<std::string>()) : std::nullopt;
    if (!hash.has_value()) return NoProof();
    path.push_back(*hash);
  }
  ProvedEvent out;
  MUSTER_ASSIGN_OR_RETURN(out.head, ReadHead(head->dump(), public_key));
  MUSTER_RETURN_IF_ERROR(DecodeRecord(*record, out.event));
  MUSTER_ASSIGN_OR_RETURN(const RecordView view, ViewRecord(*record));
  out.redacted = view.pruned;
  if (!ChainHolds(*record, *previous)) {
    return DataLoss(Cat("event ", out.event.position, " was changed: its hash is another"));
  }
  const auto root = RootOf(out.event.hash, out.event.position, out.head.head.position, path);
  if (!root.has_value() || *root != out.head.head.root) {
    return DataLoss(
        Cat("event ", out.event.position, " is not in the log that the head signed at ",
            absl::FormatTime(absl::RFC3339_full, out.head.head.signed_at, absl::UTCTimeZone()),
            " speaks of"));
  }
  return out;
}

}  // namespace muster::audit
