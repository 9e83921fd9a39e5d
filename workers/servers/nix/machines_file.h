// The machines file: the lines of all registered builders, for `nix build --builders @FILE` or
// `builders = @FILE` in nix.conf. A projection: it holds what the log says and nothing else.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "eventstore/base/status.h"
#include "workers/ports/text_files.h"

namespace muster::nix {

// The whole text: a head that says whose it is, and `lines` in order, each once.
std::string MachinesText(const std::vector<std::string>& lines);

// What of a text Nix reads: its entries, without comments and empty ones. Pure.
std::vector<std::string> EntriesOf(std::string_view text);

// Whether somebody changed `text` after MachinesText had made it. What muster never made counts as
// changed too. Pure.
bool ChangedByHand(std::string_view text);

// Makes the file at `path` say `lines`. One that was changed by hand is left alone while `lines`
// are those that were written last: the state check tells of it. When they are others the log wins,
// and the text that was there is first kept beside it as PATH.edited.
//
// kUnavailable, kResourceExhausted  not written: try again, the old file is still there
Status WriteMachinesFile(TextFiles& files, const std::string& path,
                         const std::vector<std::string>& lines);

}  // namespace muster::nix
