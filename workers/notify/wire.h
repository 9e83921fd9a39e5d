// The shapes in which messages leave muster, as JSON on one line. Pure.
#pragma once

#include <string>

#include "workers/ports/notice_target.h"

namespace muster::notify {

std::string WebhookJson(const NoticeMessage& message);
std::string SlackJson(const NoticeMessage& message);
std::string NtfyJson(const NoticeMessage& message, const std::string& topic);

}  // namespace muster::notify
