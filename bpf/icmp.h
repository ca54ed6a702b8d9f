/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * ICMP errors go where the flow goes whose packet they quote, so that path-MTU discovery works through the director.
 */
#pragma once

#include "walk.h"

/* The first eight bytes of ICMP and of ICMPv6; in errors the quoted packet follows (RFC 792, RFC 4443). */
struct icmp {
	__u8 type;
	__u8 code;
	__be16 checksum;
	__be32 rest;
};

/* The errors of ICMP (RFC 792), among which unreachable also means "too big"; those of ICMPv6 are 1 to 4 (RFC 4443, 3).
 */
#define ICMP_UNREACHABLE 3
#define ICMP_SOURCE_QUENCH 4
#define ICMP_TIME_EXCEEDED 11
#define ICMP_PARAMETER_PROBLEM 12
#define ICMP6_UNREACHABLE 1
#define ICMP6_PARAMETER_PROBLEM 4

/* Makes a packet of IPsec, or one that quotes it, one of the client's IKE, which it does not begin. */
static __always_inline void take_ike_ports(struct packet *packet, struct ports *room)
{
	*room = (struct ports){.source = bpf_htons(IKE_PORT), .destination = bpf_htons(IKE_PORT)};
	packet->ports = room;
	packet->protocol = IPPROTO_UDP;
	packet->passive = true;
}

/* Reads the ports of the packet that an error quotes, and swaps them: the real server sent it, against the flow. */
static __always_inline bool take_quoted_ports(const struct frame *frame, const struct payload *quoted,
					      struct packet *packet, struct ports *turned, bool is_ipv6)
{
	/* An error quotes at least eight bytes of the transport header (RFC 792), and no more are needed. */
	const struct ports *ports = at(frame, quoted->offset, 8);

	if (ports && is_ipsec(quoted->protocol, is_ipv6)) {
		take_ike_ports(packet, turned);
		return true;
	}
	if (!ports || quoted->later_fragment || (quoted->protocol != IPPROTO_TCP && quoted->protocol != IPPROTO_UDP))
		return false;
	packet->protocol = quoted->protocol;
	*turned = (struct ports){.source = ports->destination, .destination = ports->source};
	packet->ports = turned;
	packet->passive = true;
	return true;
}

static __always_inline bool is_icmp_error(__u8 type)
{
	return type == ICMP_UNREACHABLE || type == ICMP_SOURCE_QUENCH || type == ICMP_TIME_EXCEEDED ||
	       type == ICMP_PARAMETER_PROBLEM;
}

/* Parses an ICMP error about a packet that left with the VIP as its source. False for all other ICMP. */
static __always_inline bool parse_icmp(const struct frame *frame, __u32 offset, struct packet *packet,
				       struct ports *turned)
{
	const struct icmp *icmp = at(frame, offset, sizeof(*icmp));
	const struct iphdr *quoted = at(frame, offset + sizeof(struct icmp), sizeof(*quoted));
	struct payload payload = {};

	if (!icmp || !quoted || !is_icmp_error(icmp->type) || quoted->saddr != packet->ip->daddr)
		return false;
	if (walk_ipv4(quoted, offset + sizeof(struct icmp), &payload) != PARSED)
		return false;
	packet->client = &quoted->daddr;
	return take_quoted_ports(frame, &payload, packet, turned, false);
}

static __always_inline bool is_icmp6_error(__u8 type)
{
	return type >= ICMP6_UNREACHABLE && type <= ICMP6_PARAMETER_PROBLEM;
}

static __always_inline bool same_ipv6(const struct in6_addr *a, const struct in6_addr *b)
{
	const __u64 *left = (const __u64 *)a, *right = (const __u64 *)b;

	return ((left[0] ^ right[0]) | (left[1] ^ right[1])) == 0;
}

static __always_inline bool parse_icmp6(struct xdp_md *context, const struct frame *frame, __u32 offset,
					struct packet *packet, struct ports *turned)
{
	const struct icmp *icmp = at(frame, offset, sizeof(*icmp));
	const struct ipv6hdr *quoted = at(frame, offset + sizeof(struct icmp), sizeof(*quoted));
	struct payload payload = {};

	if (!icmp || !quoted || !is_icmp6_error(icmp->type) || quoted->version != 6 ||
	    !same_ipv6(&quoted->saddr, &packet->ip6->daddr))
		return false;
	if (walk_ipv6(context, offset + sizeof(struct icmp), quoted->nexthdr, &payload) != PARSED)
		return false;
	packet->client = &quoted->daddr;
	return take_quoted_ports(frame, &payload, packet, turned, true);
}
