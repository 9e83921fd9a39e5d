// Every event that was ever stored must be readable for ever. tests/golden/events.txt holds one of
// each kind, as "type payload-in-hex"; lines are only added. MUSTER_UPDATE_GOLDEN=1 adds those of
// kinds that have none yet.
#include <cstdlib>
#include <fstream>
#include <sstream>

#include "eventstore/events/codec.h"
#include "tests/support/matchers.h"
#include "tests/support/paths.h"
#include "tests/support/pch.h"

namespace muster {
namespace {

const std::string kPath = SourceDir() + "/tests/golden/events.txt";

// Sets every field to something that is not its default.
void Fill(google::protobuf::Message& message, int depth) {
  using F = google::protobuf::FieldDescriptor;
  const auto* r = message.GetReflection();
  for (int i = 0; i < message.GetDescriptor()->field_count(); ++i) {
    const F* field = message.GetDescriptor()->field(i);
    const int n = field->number();
    if (field->is_map() || depth > 3) continue;
    if (field->is_repeated()) {
      if (field->cpp_type() == F::CPPTYPE_STRING) r->AddString(&message, field, field->name());
      if (field->cpp_type() == F::CPPTYPE_UINT64) r->AddUInt64(&message, field, n);
      if (field->cpp_type() == F::CPPTYPE_MESSAGE) {
        Fill(*r->AddMessage(&message, field), depth + 1);
      }
      continue;
    }
    switch (field->cpp_type()) {
      case F::CPPTYPE_INT32:
        r->SetInt32(&message, field, n);
        break;
      case F::CPPTYPE_INT64:
        r->SetInt64(&message, field, 1'000'000 + n);
        break;
      case F::CPPTYPE_UINT32:
        r->SetUInt32(&message, field, n);
        break;
      case F::CPPTYPE_UINT64:
        r->SetUInt64(&message, field, n);
        break;
      case F::CPPTYPE_DOUBLE:
        r->SetDouble(&message, field, n + 0.5);
        break;
      case F::CPPTYPE_FLOAT:
        r->SetFloat(&message, field, n);
        break;
      case F::CPPTYPE_BOOL:
        r->SetBool(&message, field, true);
        break;
      case F::CPPTYPE_ENUM:
        r->SetEnumValue(&message, field, 1);
        break;
      case F::CPPTYPE_STRING:
        r->SetString(&message, field, field->name());
        break;
      case F::CPPTYPE_MESSAGE:
        Fill(*r->MutableMessage(&message, field), depth + 1);
        break;
    }
  }
}

std::string ToHexText(std::string_view bytes) {
  std::string hex;
  for (const char c : bytes) {
    hex += "0123456789abcdef"[static_cast<std::uint8_t>(c) >> 4];
    hex += "0123456789abcdef"[static_cast<std::uint8_t>(c) & 15];
  }
  return hex;
}
std::string FromHexText(std::string_view hex) {
  std::string bytes;
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2) {
    bytes += static_cast<char>(std::stoi(std::string(hex.substr(i, 2)), nullptr, 16));
  }
  return bytes;
}

std::multimap<std::string, std::string> Stored() {
  std::multimap<std::string, std::string> all;
  std::ifstream file(kPath);
  for (std::string type, hex; file >> type >> hex;) all.emplace(type, FromHexText(hex));
  return all;
}

void AddMissing() {
  const auto known = Stored();
  std::ofstream file(kPath, std::ios::app);
  for (const EventKind kind : AllEventKinds()) {
    const std::string type(TypeName(kind));
    if (known.contains(type)) continue;
    eventpb::EventBody body;
    Fill(*body.GetReflection()->MutableMessage(
             &body, eventpb::EventBody::descriptor()->FindFieldByNumber(kind)),
         0);
    file << type << ' ' << ToHexText(EncodeEvent(body)) << '\n';
  }
}

TEST(GoldenEvents, EveryEventEverStoredStillReadsAndLosesNothing) {
  if (std::getenv("MUSTER_UPDATE_GOLDEN") != nullptr) AddMissing();
  for (const auto& [type, payload] : Stored()) {
    const auto body = DecodeEvent(type, payload);
    ASSERT_THAT(body, IsOk()) << type;
    EXPECT_EQ(TypeName(body->kind_case()), type);
    EXPECT_EQ(ToHexText(EncodeEvent(*body)), ToHexText(payload)) << type;
    std::vector<const google::protobuf::FieldDescriptor*> fields;
    body->GetReflection()->ListFields(*body, &fields);
    ASSERT_EQ(fields.size(), 1u);
    const auto& event = body->GetReflection()->GetMessage(*body, fields[0]);
    EXPECT_TRUE(event.GetReflection()->GetUnknownFields(event).empty())
        << type << ": a field was dropped or renumbered";
  }
}
TEST(GoldenEvents, EveryKindHasOne) {
  const auto stored = Stored();
  for (const EventKind kind : AllEventKinds()) {
    EXPECT_TRUE(stored.contains(std::string(TypeName(kind))))
        << TypeName(kind) << ": add it with MUSTER_UPDATE_GOLDEN=1";
  }
}

}  // namespace
}  // namespace muster
