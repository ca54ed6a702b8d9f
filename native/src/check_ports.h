// The local ports of health checks, and the table that tells the programs of bpf/check.bpf.c what each is for.
#pragma once

#include <linux/types.h>

#include <cstdint>
#include <deque>
#include <memory>
#include <vector>

#include "check.h"
#include "map.h"

namespace beeline {

// Ports are taken in turn, so that each rests as long as possible before its next use.
class CheckPorts {
 public:
  // `region` has an entry for each port, and may be empty: then no check can go to a VIP.
  CheckPorts(std::shared_ptr<libbpf::Mapping::Region> region, uint32_t first, uint32_t count);
  ~CheckPorts();

  // Takes a port and writes its entry, if `entry` is not nullptr. Returns 0 if no port is free. Connections may also
  // use the ports that rest.
  uint16_t Take(const check* entry, uint64_t now_us);
  // Clears the port's entry. `late_answers`: the port rests, because datagrams that come now would answer the next
  // check.
  void Release(uint16_t port, bool late_answers, uint64_t now_us);
  // Whether the real server of this port's check sent "time exceeded": it forwards what is for the VIP.
  bool IsForwarded(uint16_t port) const;
  // Whether something came from the VIP to this port since it was taken.
  bool IsAnswered(uint16_t port) const;
  bool IsTaken(int64_t port) const;
  bool has_table() const { return entries_ != nullptr; }
  size_t free() const { return free_.size(); }
  size_t taken() const { return taken_count_; }
  size_t resting() const { return resting_.size(); }
  // Entries that are in use. Reads the whole table.
  size_t written() const;

 private:
  struct Resting {
    uint16_t port;
    uint64_t until_us;
  };

  check* At(uint16_t port) const { return entries_ == nullptr ? nullptr : &entries_[port - first_]; }
  void Clear(uint16_t port);

  std::shared_ptr<libbpf::Mapping::Region> region_;
  check* entries_;
  uint32_t first_;
  uint32_t count_;
  std::deque<uint16_t> free_;
  std::deque<Resting> resting_;
  std::vector<bool> taken_;
  std::vector<uint64_t> rests_until_us_;
  size_t taken_count_ = 0;
};

}  // namespace beeline
