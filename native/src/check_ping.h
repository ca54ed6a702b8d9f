// Echo requests and replies of either family (RFC 792, RFC 4443).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace beeline {

// Returns an echo request. Its checksum is only made for IPv4: of IPv6 the kernel makes it.
std::vector<uint8_t> EchoRequest(bool is_ipv6, uint16_t identifier, uint32_t token, std::span<const uint8_t> payload);

// Returns whether a message is the reply to a request that has this payload. `identifier` 0 stands for any: the kernel
// compared it. `has_ip_header`: raw IPv4 sockets receive that too.
bool IsEchoReply(std::span<const uint8_t> message, bool is_ipv6, bool has_ip_header, uint16_t identifier,
                 uint32_t token, std::span<const uint8_t> payload);

// Lets a raw socket receive nothing but replies to its pings.
int FilterEchoReplies(int fd, bool is_ipv6);

// Takes the ICMP errors that wait at a raw socket, at most kEchoesAtOnce: then `*may_be_more` is set. Returns the errno
// of one that quotes a request with the identifier, else 0: a raw socket also gets the errors about other sockets'
// requests to its address.
int TakeEchoError(int fd, bool is_ipv6, uint16_t identifier, bool* may_be_more);

// What others cause a socket to receive must not hold up the event loop.
inline constexpr int kEchoesAtOnce = 64;

}  // namespace beeline
