// Finds the end of an HTTP/1 response in the bytes that came so far.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace beeline {

// Reads line by line, and each byte once however the response is cut into pieces (RFC 9112).
class HttpScan {
 public:
  enum class Progress { kMore, kComplete, kMalformed };

  // `head`: the request was HEAD, whose response has no body. `only_headers`: the response counts as complete after its
  // headers.
  HttpScan(bool head, bool only_headers) : head_(head), only_headers_(only_headers) {}

  // Takes all bytes since the response began: those of the last call, and more.
  Progress Feed(std::span<const uint8_t> bytes);
  // What the response is when the server closes the connection after these bytes.
  bool EndsByClose() const { return phase_ == Phase::kUntilClose; }

  // 0 until the status line is there.
  uint16_t status() const { return status_; }
  // Where the body begins, 0 before that.
  size_t body_offset() const { return body_offset_; }

 private:
  enum class Phase { kStatus, kHeaders, kLength, kChunkSize, kChunkEnd, kTrailers, kUntilClose, kComplete, kMalformed };

  // Each takes one line without its end and returns the next phase.
  Phase StatusLine(std::string_view line);
  Phase HeaderLine(std::string_view line);
  Phase HeadersEnd();
  Phase ChunkSizeLine(std::string_view line);
  Phase OnLine(std::string_view line);

  bool head_;
  bool only_headers_;
  Phase phase_ = Phase::kStatus;
  uint16_t status_ = 0;
  size_t position_ = 0;  // of the next line, or of the end of the body or chunk
  size_t searched_ = 0;  // no line ends before
  size_t body_offset_ = 0;
  bool has_length_ = false;
  bool is_chunked_ = false;
  uint64_t length_ = 0;
};

}  // namespace beeline
