// Readable: what keeps one stray byte of a provider from making the log unreadable. Protobuf writes
// text that is no UTF-8 but never reads it back. Pure, thread-safe.
#pragma once

namespace google::protobuf {
class Message;
}

namespace muster {

// Makes every text in `body` valid UTF-8, in place. Whoever appends an event does this first.
void MakeReadable(google::protobuf::Message& body);

}  // namespace muster
