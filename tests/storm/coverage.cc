#include "tests/storm/coverage.h"

#include <google/protobuf/descriptor.h>

#include <algorithm>
#include <cstdint>
#include <set>

#include "commands/rules.h"
#include "eventstore/base/strings.h"
#include "eventstore/events/codec.h"
#include "tests/storm/calamities.h"
#include "workers/providers/vast/sim/vast_sim.h"

namespace muster::storm {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::EnumValueDescriptor;
using google::protobuf::FieldDescriptor;

std::string NameOf(const FieldDescriptor& kind, const FieldDescriptor& field,
                   const EnumValueDescriptor& value) {
  return Cat(kind.name(), ".", field.name(), " ", value.name());
}

// Kinds that tell how an effect ended.
bool IsEffect(const std::string& kind) {
  return kind.rfind("launch_", 0) == 0 || kind.rfind("destroy_", 0) == 0 ||
         kind.rfind("start_", 0) == 0 || kind == "worker_ended";
}

template <class Visit>
void ForEnums(const Descriptor& type, Visit visit) {
  for (int i = 0; i < type.field_count(); ++i) {
    const FieldDescriptor& field = *type.field(i);
    if (!field.is_repeated() && field.enum_type() != nullptr) visit(field);
  }
}

void AddAll(const Counts& from, Counts& to) {
  for (const auto& [name, count] : from) to[name] += count;
}

bool Exercised(const Coverage& coverage, const std::string& name) {
  const std::size_t space = name.find(' ');
  const std::string kind = name.substr(0, space);
  const Counts& counts = kind == "rule"        ? coverage.rules
                         : kind == "trap"      ? coverage.faults
                         : kind == "happening" ? coverage.happened
                                               : coverage.outcomes;
  return counts.count(name.substr(space + 1)) > 0;
}

}  // namespace

Counts OutcomesIn(const EventStore& store) {
  Counts counts;
  (void)store.ReadAll(0, SIZE_MAX, [&](const RecordedEvent& each) {
    const auto body = DecodeEvent(each.event.type, each.event.payload);
    if (!body.ok()) return true;
    const FieldDescriptor* kind =
        body->GetDescriptor()->FindFieldByNumber(static_cast<int>(body->kind_case()));
    if (kind == nullptr) return true;
    ++counts[kind->name()];
    const google::protobuf::Message& event = body->GetReflection()->GetMessage(*body, kind);
    ForEnums(*event.GetDescriptor(), [&](const FieldDescriptor& field) {
      ++counts[NameOf(*kind, field, *event.GetReflection()->GetEnum(event, &field))];
    });
    return true;
  });
  return counts;
}

void Coverage::Add(const StormReport& report) {
  AddAll(report.rules, rules);
  AddAll(report.faults, faults);
  AddAll(report.happened, happened);
  AddAll(report.outcomes, outcomes);
}

std::vector<std::string> AllThereIs() {
  std::vector<std::string> all;
  for (const char* rule : rules::kAll) all.push_back(Cat("rule ", rule));
  for (const vastsim::Trap trap : {
#define TRAP(name, wire, what) vastsim::Trap::name,
#include "workers/providers/vast/sim/traps.def"
#undef TRAP
       }) {
    all.push_back(Cat("trap ", vastsim::TrapName(trap)));
  }
  for (const char* kind : kHappenings) all.push_back(Cat("happening ", kind));
  for (const char* kind : kCalamities) all.push_back(Cat("happening ", kind));
  const Descriptor& body = *eventpb::EventBody::descriptor();
  for (int i = 0; i < body.field_count(); ++i) {
    const FieldDescriptor& kind = *body.field(i);
    if (kind.message_type() == nullptr || !IsEffect(kind.name())) continue;
    all.push_back(Cat("outcome ", kind.name()));
    ForEnums(*kind.message_type(), [&](const FieldDescriptor& field) {
      for (int v = 1; v < field.enum_type()->value_count(); ++v) {  // 0 is "unspecified"
        all.push_back(Cat("outcome ", NameOf(kind, field, *field.enum_type()->value(v))));
      }
    });
  }
  return all;
}

const std::map<std::string, std::string>& OutOfReach() {
  static const auto& all = *new std::map<std::string, std::string>{
      {"trap list_v0_serves", "nobody asks for the retired list"},
      {"trap show_lag", "single instances are not asked for while they are young"},
      {"outcome launch_rejected.reason UNAVAILABLE", "such launches are unclear and looked up"},
      {"outcome launch_rejected.reason CANCELLED", "a launch is called at once"},
      {"outcome destroy_answered.answer UNAVAILABLE", "such answers are unclear"},
  };
  return all;
}

std::vector<std::string> Gaps(const Coverage& coverage) {
  std::vector<std::string> gaps;
  const std::vector<std::string> all = AllThereIs();
  for (const std::string& name : all) {
    if (OutOfReach().count(name) == 0 && !Exercised(coverage, name)) {
      gaps.push_back(Cat("never exercised: ", name));
    }
  }
  for (const auto& [name, reason] : OutOfReach()) {
    if (std::find(all.begin(), all.end(), name) == all.end()) {
      gaps.push_back(Cat("out of reach, and does not exist: ", name));
    } else if (Exercised(coverage, name)) {
      gaps.push_back(Cat("out of reach, and was exercised: ", name, " (", reason, ")"));
    }
  }
  return gaps;
}

}  // namespace muster::storm
