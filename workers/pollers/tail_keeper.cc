#include "workers/pollers/tail_keeper.h"

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <fstream>
#include <set>
#include <utility>
#include <vector>

#include "absl/strings/str_split.h"
#include "eventstore/base/crc32c.h"

namespace muster {
namespace {

namespace fs = std::filesystem;

constexpr absl::Duration kExpireEvery = absl::Hours(1);
// Thousands of tails change every minute. A few files at a time, so that nobody waits for them.
constexpr std::size_t kFilesAtATime = 8;
constexpr absl::Duration kBetweenFiles = absl::Milliseconds(10);
constexpr char kSuffix[] = ".tail";
constexpr char kFormat[] = "muster-tail-2";

// Ids name files: only what cannot leave the folder does.
bool IsFileName(const std::string& id) {
  return !id.empty() && id.size() <= 100 && std::all_of(id.begin(), id.end(), [](unsigned char c) {
    return std::isalnum(c) != 0 || c == '-' || c == '_';
  });
}

// What follows the front up to its byte count is the text; the sum tells half a tail from a whole.
std::string ToFile(const TailKeeper::Tail& tail) {
  return Cat(kFormat, " ", absl::ToUnixMicros(tail.at), " ", absl::ToUnixMicros(tail.changed_at),
             " ", static_cast<int>(tail.state), " ", tail.cut ? 1 : 0, " ", tail.text.size(), " ",
             Crc32c(tail.text), "\n", tail.text);
}

std::optional<TailKeeper::Tail> ReadTail(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::string format;
  std::int64_t at_us = 0;
  std::int64_t changed_us = 0;
  int state = 0;
  int cut = 0;
  std::size_t bytes = 0;
  std::uint32_t sum = 0;
  file >> format >> at_us >> changed_us >> state >> cut >> bytes >> sum;
  if (!file || format != kFormat || state < 0 || state > 2) return std::nullopt;
  file.get();  // the newline after the front
  std::error_code error;
  if (bytes > fs::file_size(path, error) || error) return std::nullopt;
  std::string text(bytes, '\0');
  file.read(text.data(), static_cast<std::streamsize>(bytes));
  if (!file || Crc32c(text) != sum) return std::nullopt;
  TailKeeper::Tail tail;
  tail.text = ToValidUtf8(text);
  tail.state = static_cast<LogTail::State>(state);
  tail.cut = cut != 0;
  tail.at = absl::FromUnixMicros(at_us);
  tail.changed_at = absl::FromUnixMicros(changed_us);
  tail.change = 1;
  return tail;
}

// Keeps the end of `text`, from a line's start on.
bool CutFront(std::string& text, std::size_t bytes_max) {
  if (text.size() <= bytes_max) return false;
  std::size_t from = text.size() - bytes_max;
  const std::size_t line = text.find('\n', from - 1);
  if (line != std::string::npos && line + 1 < text.size()) from = line + 1;
  text = ToValidUtf8(std::string_view(text).substr(from));
  return true;
}

}  // namespace

struct TailKeeper::Disk {
  fs::path folder;
  std::set<WorkerId> changed;
  std::set<WorkerId> unread;  // kept by an earlier run and not yet taken up
  std::vector<WorkerId> due;  // changed before this turn, and not yet written
  bool stopped = false;

  void TakeChanged() {
    due.insert(due.end(), changed.begin(), changed.end());
    changed.clear();
  }

  fs::path FileOf(const WorkerId& worker) const { return folder / (worker.str() + kSuffix); }

  // False = not written. In place: to free the blocks of a file that is replaced takes
  // milliseconds, in which the reactor stands still. A crash meanwhile costs this tail.
  bool Save(const WorkerId& worker, const Tail& tail) const {
    const fs::path path = FileOf(worker);
    std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
    if (!file) file.open(path, std::ios::binary | std::ios::out);
    const std::string bytes = ToFile(tail);
    file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    return static_cast<bool>(file.flush());
  }
};

TailKeeper::TailKeeper(Runtime& rt, TailKeeperOptions options)
    : rt_(rt), options_(std::move(options)), changed_(rt.MakeSignal()) {}
TailKeeper::~TailKeeper() { Stop(); }

Status TailKeeper::Start() {
  if (options_.folder.empty()) return absl::OkStatus();
  std::error_code error;
  fs::create_directories(options_.folder, error);
  if (error) return Unavailable(Cat(options_.folder, ": ", error.message()));
  fs::permissions(options_.folder, fs::perms::owner_all, error);
  fs::directory_iterator files(options_.folder, error);
  if (error) return Unavailable(Cat(options_.folder, ": ", error.message()));
  disk_ = std::make_shared<Disk>();
  disk_->folder = options_.folder;
  for (; files != fs::directory_iterator(); files.increment(error)) {
    if (error) break;
    const fs::path path = files->path();
    const std::string id = path.stem().string();
    if (path.extension() != kSuffix || !IsFileName(id)) continue;
    disk_->unread.insert(WorkerId(id));
  }
  rt_.Spawn("tails", Write(rt_, *this, disk_));
  return absl::OkStatus();
}

Task<void> TailKeeper::Write(Runtime& rt, TailKeeper& keeper, std::shared_ptr<Disk> disk) {
  if (disk->stopped) co_return;  // the keeper went before this began
  while (!disk->unread.empty()) {
    for (std::size_t i = 0; i < kFilesAtATime && !disk->unread.empty(); ++i) {
      keeper.TakeUp(WorkerId(*disk->unread.begin()));
    }
    co_await rt.SleepFor(kBetweenFiles);
    if (disk->stopped) co_return;  // the keeper may be gone
  }
  keeper.Expire();
  absl::Time expire_at = rt.Now() + kExpireEvery;
  while (true) {
    co_await rt.SleepFor(keeper.options_.write_every);
    if (disk->stopped) co_return;  // the keeper may be gone
    disk->TakeChanged();
    while (!disk->due.empty()) {
      keeper.WriteDue(kFilesAtATime);
      if (disk->due.empty()) break;
      co_await rt.SleepFor(kBetweenFiles);
      if (disk->stopped) co_return;
    }
    if (rt.Now() < expire_at) continue;
    keeper.Expire();
    expire_at = rt.Now() + kExpireEvery;
  }
}

void TailKeeper::TakeUp(const WorkerId& worker) const {
  if (disk_ == nullptr || disk_->unread.erase(worker) == 0) return;
  std::optional<Tail> tail = ReadTail(disk_->FileOf(worker));
  if (tail.has_value()) tails_.try_emplace(worker, *std::move(tail));
}

void TailKeeper::WriteDue(std::size_t most) {
  for (; most > 0 && !disk_->due.empty(); --most) {
    const WorkerId worker = std::move(disk_->due.back());
    disk_->due.pop_back();
    const auto tail = tails_.find(worker);
    if (tail == tails_.end()) continue;
    // A full disk costs old tails, nothing else: try again at the next turn.
    if (!disk_->Save(worker, tail->second)) disk_->changed.insert(worker);
  }
}

void TailKeeper::Stop() {
  if (disk_ == nullptr || disk_->stopped) return;
  disk_->TakeChanged();
  WriteDue(disk_->due.size());
  disk_->stopped = true;
}

void TailKeeper::Keep(const WorkerId& worker, LogTail fetched) {
  TakeUp(worker);
  Tail& tail = tails_[worker];
  const absl::Time now = rt_.Now();
  tail.at = now;
  const bool cut = CutFront(fetched.text, options_.text_bytes_max);
  if (tail.change > 0 && tail.state == fetched.state && tail.text == fetched.text) return;
  // A container that is gone takes nothing away from what it had said.
  if (tail.change > 0 && fetched.state == LogTail::State::kNoContainer && !tail.text.empty())
    return;
  tail.text = std::move(fetched.text);
  tail.state = fetched.state;
  tail.cut = fetched.cut || cut;
  tail.changed_at = now;
  ++tail.change;
  if (disk_ != nullptr && !disk_->stopped && IsFileName(worker.str())) {
    disk_->changed.insert(worker);
  }
  const Tail told = tail;  // a listener may keep another tail meanwhile
  for (auto it = listeners_.begin(); it != listeners_.end();) {
    const int token = it->first;
    const Listener listener = it->second;
    listener(worker, told);
    it = listeners_.upper_bound(token);
  }
  changed_->NotifyAll();
}

std::optional<TailKeeper::Tail> TailKeeper::Find(const WorkerId& worker) const {
  TakeUp(worker);
  const auto tail = tails_.find(worker);
  if (tail == tails_.end() || rt_.Now() - tail->second.at > options_.age_max) return std::nullopt;
  return tail->second;
}

int TailKeeper::Listen(Listener listener) {
  listeners_.emplace(next_listener_, std::move(listener));
  return next_listener_++;
}
void TailKeeper::Unlisten(int token) { listeners_.erase(token); }

Task<std::optional<TailKeeper::Tail>> TailKeeper::Await(WorkerId worker, std::uint64_t change,
                                                        absl::Time deadline) {
  const std::shared_ptr<Signal> changed = changed_;
  bool notified = true;
  while (notified) {
    std::optional<Tail> tail = Find(worker);
    if (tail.has_value() && tail->change > change) co_return tail;
    notified = co_await changed->WaitUntil(deadline);
  }
  co_return std::nullopt;
}

void TailKeeper::Expire() {
  const absl::Time now = rt_.Now();
  std::vector<WorkerId> old;
  for (const auto& [worker, tail] : tails_) {
    if (now - tail.at > options_.age_max) old.push_back(worker);
  }
  for (const WorkerId& worker : old) {
    tails_.erase(worker);
    if (disk_ == nullptr) continue;
    disk_->changed.erase(worker);
    std::error_code ignored;  // what stays is found again and expired by the next Start
    if (IsFileName(worker.str())) fs::remove(disk_->FileOf(worker), ignored);
  }
}

std::string NewLines(const std::string& before, const std::string& after) {
  const std::vector<std::string> old = absl::StrSplit(before, '\n', absl::SkipEmpty());
  const std::vector<std::string> now = absl::StrSplit(after, '\n', absl::SkipEmpty());
  std::size_t best = 0;   // lines of the longest overlap
  std::size_t shown = 0;  // lines of `after` up to its end
  for (std::size_t end = 1; end <= now.size(); ++end) {
    std::size_t same = 0;
    while (same < end && same < old.size() && now[end - 1 - same] == old[old.size() - 1 - same]) {
      ++same;
    }
    // A line that merely occurs in both is no overlap: it must reach the start of one of them.
    if (same > best && (same == end || same == old.size())) {
      best = same;
      shown = end;
    }
  }
  std::string fresh;
  for (std::size_t i = shown; i < now.size(); ++i) {
    fresh += now[i];
    fresh += '\n';
  }
  return fresh;
}

}  // namespace muster
