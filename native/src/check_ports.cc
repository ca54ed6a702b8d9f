// Ports and entries of health checks; see check_ports.h.
#include "check_ports.h"

#include <netinet/in.h>

#include <algorithm>
#include <cstring>
#include <utility>

namespace beeline {

namespace {

// How long a datagram may be late and still be taken for the answer to another check. An answer to a check that failed
// by its timeout is late already.
constexpr uint64_t kRestMicroseconds = 2'000'000;

}  // namespace

CheckPorts::CheckPorts(std::shared_ptr<libbpf::Mapping::Region> region, uint32_t first, uint32_t count)
    : region_(std::move(region)),
      entries_(region_ == nullptr ? nullptr : reinterpret_cast<check*>(region_->address)),
      first_(first),
      count_(count),
      taken_(count),
      rests_until_us_(count) {
  for (uint32_t i = 0; i < count; i++) free_.push_back(static_cast<uint16_t>(first + i));
}

CheckPorts::~CheckPorts() {
  for (uint32_t i = 0; i < count_; i++) {
    if (taken_[i]) Clear(static_cast<uint16_t>(first_ + i));
  }
}

uint16_t CheckPorts::Take(const check* entry, uint64_t now_us) {
  while (!resting_.empty() && resting_.front().until_us <= now_us) {
    free_.push_back(resting_.front().port);
    resting_.pop_front();
  }
  uint16_t port = 0;
  if (!free_.empty()) {
    port = free_.front();
    free_.pop_front();
  } else if (!resting_.empty() && entry != nullptr && entry->protocol == IPPROTO_TCP) {
    // A connection does not take datagrams that are late.
    port = resting_.front().port;
    resting_.pop_front();
  } else {
    return 0;
  }
  taken_[port - first_] = true;
  taken_count_++;
  check* place = At(port);
  if (place != nullptr) place->forwarded = place->answered = 0;
  if (place != nullptr && entry != nullptr) {
    // The programs may look at any time: they take no entry without a family.
    std::memcpy(place->vip, entry->vip, sizeof place->vip);
    std::memcpy(place->rip, entry->rip, sizeof place->rip);
    std::memcpy(place->local, entry->local, sizeof place->local);
    place->protocol = entry->protocol;
    __atomic_store_n(&place->family, entry->family, __ATOMIC_RELEASE);
  }
  return port;
}

void CheckPorts::Clear(uint16_t port) {
  check* place = At(port);
  if (place == nullptr) return;
  __atomic_store_n(&place->family, 0, __ATOMIC_RELEASE);
  // Nothing that is written for the next check is seen before.
  __atomic_thread_fence(__ATOMIC_SEQ_CST);
}

void CheckPorts::Release(uint16_t port, bool late_answers, uint64_t now_us) {
  Clear(port);
  taken_[port - first_] = false;
  taken_count_--;
  uint64_t& until_us = rests_until_us_[port - first_];
  if (late_answers) until_us = now_us + kRestMicroseconds;
  if (until_us <= now_us) {
    free_.push_back(port);
    return;
  }
  // A connection may have used it while it rested: then it goes on resting, and its place is not the last.
  const auto place = std::ranges::upper_bound(resting_, until_us, {}, &Resting::until_us);
  resting_.insert(place, {port, until_us});
}

bool CheckPorts::IsForwarded(uint16_t port) const {
  const check* place = At(port);
  return place != nullptr && __atomic_load_n(&place->forwarded, __ATOMIC_RELAXED) != 0;
}

bool CheckPorts::IsAnswered(uint16_t port) const {
  const check* place = At(port);
  return place != nullptr && __atomic_load_n(&place->answered, __ATOMIC_RELAXED) != 0;
}

bool CheckPorts::IsTaken(int64_t port) const {
  return port >= first_ && port < int64_t{first_} + count_ && taken_[static_cast<size_t>(port) - first_];
}

size_t CheckPorts::written() const {
  size_t written = 0;
  for (uint32_t i = 0; entries_ != nullptr && i < count_; i++) {
    written += __atomic_load_n(&entries_[i].family, __ATOMIC_RELAXED) != 0;
  }
  return written;
}

}  // namespace beeline
