#include "workers/notify/wire.h"

#include <nlohmann/json.hpp>

#include "eventstore/base/strings.h"

namespace muster::notify {
namespace {

using Json = nlohmann::ordered_json;

std::string Dump(const Json& json) {
  // Foreign bytes in a text must not end the program; they become U+FFFD.
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string Rfc3339(absl::Time time) {
  return absl::FormatTime("%Y-%m-%dT%H:%M:%E3SZ", time, absl::UTCTimeZone());
}

}  // namespace

std::string WebhookJson(const NoticeMessage& m) {
  Json json = {{"id", m.id},
               {"form", std::string(FormWord(m.form))},
               {"installation", m.installation},
               {"kind", m.kind},
               {"state", m.state},
               {"severity", m.severity},
               {"subject", m.subject},
               {"fleet", m.fleet},
               {"rule", m.rule},
               {"text", m.text},
               {"explain", m.explain},
               {"position", m.position},
               {"time", Rfc3339(m.at)}};
  if (m.since_position > 0) json["since_position"] = m.since_position;
  if (m.more > 0) json["more"] = m.more;
  if (!m.counts.empty()) json["counts"] = m.counts;
  if (!m.lines.empty()) json["lines"] = m.lines;
  return Dump(json);
}

std::string SlackJson(const NoticeMessage& m) {
  return Dump({{"text", Cat(NoticeTitle(m), "\n", NoticeText(m))}});
}

std::string NtfyJson(const NoticeMessage& m, const std::string& topic) {
  const bool over = m.state == "ended";
  const int priority = over ? 2 : m.severity == "critical" ? 5 : m.severity == "warning" ? 4 : 3;
  Json tags = Json::array({m.kind});
  if (!m.fleet.empty()) tags.push_back(m.fleet);
  return Dump({{"topic", topic},
               {"title", NoticeTitle(m)},
               {"message", NoticeText(m)},
               {"priority", priority},
               {"tags", tags}});
}

}  // namespace muster::notify
