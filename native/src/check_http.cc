// The end of HTTP responses; see check_http.h.
#include "check_http.h"

#include <strings.h>

#include <algorithm>
#include <charconv>
#include <cstring>

namespace beeline {

namespace {

// Longer than any body that is read: a body of this length or more only has to be too long.
constexpr uint64_t kEndless = uint64_t{1} << 40;

std::string_view Trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

bool IsName(std::string_view text, std::string_view name) {
  return text.size() == name.size() && strncasecmp(text.data(), name.data(), name.size()) == 0;
}

// Reads a whole number that begins the text. Returns what follows it, or nullptr if there is none or it is too large.
const char* ReadNumber(std::string_view text, int base, uint64_t* number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *number, base);
  return error == std::errc() && *number < kEndless ? end : nullptr;
}

}  // namespace

HttpScan::Phase HttpScan::StatusLine(std::string_view line) {
  // "HTTP/1.1 200 OK"; the reason may be missing, with or without the space.
  if (!line.starts_with("HTTP/1.") || line.size() < 12 || line[8] != ' ') return Phase::kMalformed;
  uint64_t status = 0;
  if (ReadNumber(line.substr(9, 3), 10, &status) != line.data() + 12 || status < 100) return Phase::kMalformed;
  if (line.size() > 12 && line[12] != ' ') return Phase::kMalformed;
  status_ = static_cast<uint16_t>(status);
  has_length_ = is_chunked_ = false;
  return Phase::kHeaders;
}

HttpScan::Phase HttpScan::HeaderLine(std::string_view line) {
  if (line.empty()) return HeadersEnd();
  const size_t colon = line.find(':');
  if (colon == std::string_view::npos) return Phase::kHeaders;  // as all clients do: one bad header is no other answer
  const std::string_view name = line.substr(0, colon), value = Trim(line.substr(colon + 1));
  if (IsName(name, "transfer-encoding")) {
    // The last coding is "chunked" if the body's end can be known at all (RFC 9112, 6.1).
    is_chunked_ = value.size() >= 7 && IsName(value.substr(value.size() - 7), "chunked");
  } else if (IsName(name, "content-length")) {
    uint64_t length = 0;
    const char* end = ReadNumber(value, 10, &length);
    if (end == nullptr && !value.empty() && value.find_first_not_of("0123456789") == std::string_view::npos) {
      length = kEndless;
    } else if (end != value.data() + value.size() || value.empty()) {
      return Phase::kMalformed;
    }
    if (has_length_ && length != length_) return Phase::kMalformed;
    has_length_ = true;
    length_ = length;
  }
  return Phase::kHeaders;
}

HttpScan::Phase HttpScan::HeadersEnd() {
  // 100 Continue, 103 Early Hints: the response proper follows. After 101 there is no HTTP.
  if (status_ < 200 && status_ != 101) return Phase::kStatus;
  body_offset_ = position_;
  if (only_headers_ || head_ || status_ == 101 || status_ == 204 || status_ == 304) return Phase::kComplete;
  if (is_chunked_) return Phase::kChunkSize;
  if (!has_length_) return Phase::kUntilClose;
  position_ += length_;
  return Phase::kLength;
}

HttpScan::Phase HttpScan::ChunkSizeLine(std::string_view line) {
  uint64_t size = 0;
  const char* end = ReadNumber(line, 16, &size);
  if (end == nullptr) return Phase::kMalformed;
  const std::string_view rest = Trim(line.substr(static_cast<size_t>(end - line.data())));
  if (!rest.empty() && rest.front() != ';') return Phase::kMalformed;
  if (size == 0) return Phase::kTrailers;
  position_ += size;
  return Phase::kChunkEnd;
}

HttpScan::Phase HttpScan::OnLine(std::string_view line) {
  switch (phase_) {
    case Phase::kStatus:
      return StatusLine(line);
    case Phase::kHeaders:
      return HeaderLine(line);
    case Phase::kChunkSize:
      return ChunkSizeLine(line);
    case Phase::kChunkEnd:
      return line.empty() ? Phase::kChunkSize : Phase::kMalformed;
    case Phase::kTrailers:
      return line.empty() ? Phase::kComplete : Phase::kTrailers;
    default:
      return phase_;
  }
}

HttpScan::Progress HttpScan::Feed(std::span<const uint8_t> bytes) {
  const auto* text = reinterpret_cast<const char*>(bytes.data());
  for (;;) {
    if (phase_ == Phase::kComplete) return Progress::kComplete;
    if (phase_ == Phase::kMalformed) return Progress::kMalformed;
    if (phase_ == Phase::kUntilClose || position_ > bytes.size()) return Progress::kMore;
    if (phase_ == Phase::kLength) return Progress::kComplete;
    if (phase_ == Phase::kStatus) {
      // What speaks another protocol is told by its first bytes: it may never send a line.
      const size_t length = std::min<size_t>(bytes.size() - position_, 7);
      if (std::memcmp(text + position_, "HTTP/1.", length) != 0) return Progress::kMalformed;
    }
    const size_t from = std::max(position_, searched_);
    const void* found = from < bytes.size() ? std::memchr(text + from, '\n', bytes.size() - from) : nullptr;
    searched_ = bytes.size();
    if (found == nullptr) return Progress::kMore;
    const auto end = static_cast<size_t>(static_cast<const char*>(found) - text);
    std::string_view line(text + position_, end - position_);
    if (line.ends_with('\r')) line.remove_suffix(1);
    position_ = searched_ = end + 1;
    phase_ = OnLine(line);
  }
}

}  // namespace beeline
