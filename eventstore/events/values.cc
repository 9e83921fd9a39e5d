#include "eventstore/events/values.h"

#include <algorithm>

#include "eventstore/base/check.h"

namespace muster {

eventpb::Measure MakeMeasure(std::string_view name, double value, double threshold,
                             std::string_view unit) {
  eventpb::Measure measure;
  measure.set_name(name.data(), name.size());
  measure.set_value(value);
  measure.set_threshold(threshold);
  measure.set_unit(unit.data(), unit.size());
  return measure;
}

eventpb::Evidence MakeEvidence(std::string_view rule, std::string_view summary,
                               std::vector<eventpb::Measure> measures,
                               std::vector<std::uint64_t> positions,
                               std::string_view policy_version) {
  eventpb::Evidence evidence;
  evidence.set_rule(rule.data(), rule.size());
  evidence.set_summary(StoredText(summary));
  for (eventpb::Measure& measure : measures) *evidence.add_measures() = std::move(measure);
  std::sort(positions.begin(), positions.end());
  positions.erase(std::unique(positions.begin(), positions.end()), positions.end());
  for (const std::uint64_t position : positions) {
    if (position != 0) evidence.add_positions(position);
  }
  evidence.set_policy_version(policy_version.data(), policy_version.size());
  return evidence;
}

namespace internal {

const google::protobuf::FieldDescriptor* FieldOf(const google::protobuf::Descriptor* message) {
  const auto* kinds = eventpb::EventBody::descriptor()->oneof_decl(0);
  for (int i = 0; i < kinds->field_count(); ++i) {
    if (kinds->field(i)->message_type() == message) return kinds->field(i);
  }
  MUSTER_CHECK(false && "not a kind of EventBody");
  return nullptr;
}

}  // namespace internal
}  // namespace muster
