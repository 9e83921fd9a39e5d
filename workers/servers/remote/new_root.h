// Recipes, second part: what is put on the new root file system, or the file's own steps in place
// of it. Private to this folder. Pure.
#pragma once

#include <string_view>
#include <vector>

#include "workers/servers/remote/new_files.h"
#include "workers/servers/remote/recipe.h"

namespace muster::remote {

std::vector<RemoteCommand> PutImage(const specpb::ServerSpec& spec);
std::vector<RemoteCommand> OwnSteps(const specpb::ServerSpec& spec, const Layout& layout);
RemoteCommand PutHostKey(const InstallFacts& facts);
// Into place in one go, and never through a link of the image's to a place outside of it. `feed`
// makes of the standard input what is written.
RemoteCommand PutFile(const NewFile& file, std::string_view feed = "cat");
// What depends on what the image is.
RemoteCommand AdaptRoot(const specpb::ServerSpec& spec);
// All was done: the last thing written, and the first that is looked for.
RemoteCommand PutMarker(const std::string& id);
RemoteCommand LookForMarker(const std::string& id);

}  // namespace muster::remote
