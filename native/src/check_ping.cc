// Echo requests and replies; see check_ping.h.
#include "check_ping.h"

#include <arpa/inet.h>
#include <linux/errqueue.h>
#include <linux/icmp.h>
#include <linux/icmpv6.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>

namespace beeline {

namespace {

constexpr size_t kHeaderBytes = 8;

uint16_t Checksum(std::span<const uint8_t> bytes) {
  uint32_t sum = 0;
  for (size_t i = 0; i < bytes.size(); i++) sum += uint32_t{bytes[i]} << (i % 2 == 0 ? 8 : 0);
  while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<uint16_t>(~sum);
}

void Put16(uint8_t* at, uint16_t value) {
  at[0] = static_cast<uint8_t>(value >> 8);
  at[1] = static_cast<uint8_t>(value);
}

}  // namespace

std::vector<uint8_t> EchoRequest(bool is_ipv6, uint16_t identifier, uint32_t token, std::span<const uint8_t> payload) {
  std::vector<uint8_t> message(kHeaderBytes + sizeof token + payload.size());
  message[0] = is_ipv6 ? ICMPV6_ECHO_REQUEST : ICMP_ECHO;
  Put16(&message[4], identifier);
  Put16(&message[6], 1);
  std::memcpy(&message[kHeaderBytes], &token, sizeof token);
  std::copy(payload.begin(), payload.end(), message.begin() + kHeaderBytes + sizeof token);
  if (!is_ipv6) Put16(&message[2], Checksum(message));
  return message;
}

bool IsEchoReply(std::span<const uint8_t> message, bool is_ipv6, bool has_ip_header, uint16_t identifier,
                 uint32_t token, std::span<const uint8_t> payload) {
  if (has_ip_header) {
    const size_t header = message.empty() ? 0 : (message[0] & 15) * 4u;
    if (message.size() < header) return false;
    message = message.subspan(header);
  }
  if (message.size() != kHeaderBytes + sizeof token + payload.size()) return false;
  if (message[0] != (is_ipv6 ? ICMPV6_ECHO_REPLY : ICMP_ECHOREPLY)) return false;
  if (identifier != 0 && (message[4] << 8 | message[5]) != identifier) return false;
  return std::memcmp(&message[kHeaderBytes], &token, sizeof token) == 0 &&
         std::equal(payload.begin(), payload.end(), message.begin() + kHeaderBytes + sizeof token);
}

int FilterEchoReplies(int fd, bool is_ipv6) {
  if (is_ipv6) {
    icmp6_filter filter;
    std::memset(&filter, 0xff, sizeof filter);
    filter.data[ICMPV6_ECHO_REPLY >> 5] &= ~(1u << (ICMPV6_ECHO_REPLY & 31));
    return setsockopt(fd, IPPROTO_ICMPV6, ICMPV6_FILTER, &filter, sizeof filter);
  }
  icmp_filter filter = {~(1u << ICMP_ECHOREPLY)};
  return setsockopt(fd, SOL_RAW, ICMP_FILTER, &filter, sizeof filter);
}

int TakeEchoError(int fd, bool is_ipv6, uint16_t identifier, bool* may_be_more) {
  int error = 0, pending = 0;
  socklen_t length = sizeof pending;
  // The socket's error, which the next call would return, is any of those in the queue.
  getsockopt(fd, SOL_SOCKET, SO_ERROR, &pending, &length);
  for (int i = 0; i < kEchoesAtOnce; i++) {
    uint8_t quoted[kHeaderBytes];
    alignas(cmsghdr) uint8_t control[256];
    iovec part = {quoted, sizeof quoted};
    msghdr message = {};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    const ssize_t read = recvmsg(fd, &message, MSG_ERRQUEUE | MSG_DONTWAIT);
    if (read < 0) return error;
    const bool ours = read == kHeaderBytes && (quoted[4] << 8 | quoted[5]) == identifier;
    for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr; header = CMSG_NXTHDR(&message, header)) {
      const bool is_error = is_ipv6 ? header->cmsg_level == SOL_IPV6 && header->cmsg_type == IPV6_RECVERR
                                    : header->cmsg_level == SOL_IP && header->cmsg_type == IP_RECVERR;
      if (is_error && ours) error = static_cast<int>(reinterpret_cast<sock_extended_err*>(CMSG_DATA(header))->ee_errno);
    }
  }
  *may_be_more = true;
  return error;
}

}  // namespace beeline
