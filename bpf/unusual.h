/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * Packets that are not plain: VLAN tags, IPv4 options, IPv6 extension headers, fragments, and ICMP errors, which go
 * where the flow goes whose packet they quote. What cannot be scheduled gets a verdict that says why, and goes up.
 */
#pragma once

#include "fragment.h"
#include "match.h"
#include "parse.h"

/*
 * How many extension headers are looked through: one more than RFC 8200, 4.1 recommends before the transport header
 * without IPsec (hop-by-hop, destination options, routing, fragment, destination options).
 */
#define MAX_EXTENSION_HEADERS 6

/* Next-header values (RFC 8200, RFC 4443). */
#define IPV6_HOP_BY_HOP 0
#define IPV6_ROUTING 43
#define IPV6_FRAGMENT 44
#define IPV6_DESTINATION_OPTIONS 60
#define IPPROTO_ICMP6 58

/* Of an IPv6 fragment header's offset and flags (RFC 8200, 4.5). */
#define IPV6_FRAGMENT_OFFSET 0xfff8
#define IPV6_MORE_FRAGMENTS 1

/* The first eight bytes of ICMP and of ICMPv6; in errors the quoted packet follows (RFC 792, RFC 4443). */
struct icmp {
	__u8 type;
	__u8 code;
	__be16 checksum;
	__be32 rest;
};

/* ICMP's errors (RFC 792); unreachable says "too big" too. ICMPv6's are 1 to 4 (RFC 4443, 3). */
#define ICMP_UNREACHABLE 3
#define ICMP_SOURCE_QUENCH 4
#define ICMP_TIME_EXCEEDED 11
#define ICMP_PARAMETER_PROBLEM 12
#define ICMP6_UNREACHABLE 1
#define ICMP6_PARAMETER_PROBLEM 4

/* A first guess of the verifier's on how far into the frame anything may lie: 6 headers of 2 KB, twice, and some. */
#define MAX_OFFSET 0x7fff

/* An IPv6 fragment header (RFC 8200, 4.5). */
struct fragment_header {
	__u8 next;
	__u8 reserved;
	__be16 offset;
	__be32 id;
};

/* The first eight bytes of the other extension headers (RFC 8200, 4.2 to 4.6). */
struct extension_header {
	__u8 next;
	__u8 length; /* in units of eight bytes, without the first */
	__u8 type;
	__u8 segments_left; /* of a routing header */
	__u32 rest;
};

/* What follows an IP header: found by walking over its options or extension headers. */
struct payload {
	__u32 offset; /* from the frame's start */
	__be32 id;    /* of an IPv6 fragment */
	__u8 protocol;
	bool first_fragment; /* and not the only one */
	bool later_fragment;
};

/* `bytes` bytes at an offset, or NULL when the frame ends before. `bytes` is a constant. */
static __always_inline void *at(const struct frame *frame, __u32 offset, __u32 bytes)
{
	/* The verifier adds no number to a packet's pointer that it does not know to be small (MAX_PACKET_OFF). */
	KEEP_BOUNDS_CHECK(offset);
	void *pointer = frame->start + (offset & MAX_OFFSET);

	return pointer + bytes > frame->end ? NULL : pointer;
}

/* Where an IPv4 header's payload is. Returns the verdict that stops the packet, VERDICT_FORWARDED for none. */
static __always_inline enum verdict walk_ipv4(const struct iphdr *ip, __u32 offset, struct payload *payload)
{
	if (ip->version != 4 || ip->ihl < 5)
		return VERDICT_MALFORMED;
	payload->offset = offset + ip->ihl * 4;
	payload->protocol = ip->protocol;
	payload->later_fragment = ip->frag_off & bpf_htons(IPV4_FRAGMENT_OFFSET);
	payload->first_fragment = !payload->later_fragment && ip->frag_off & bpf_htons(IPV4_MORE_FRAGMENTS);
	return VERDICT_FORWARDED;
}

/* The same for IPv6, over its extension headers up to the transport header or into a later fragment. */
static __noinline enum verdict walk_ipv6(const struct frame *frame, __u32 offset, __u8 next, struct payload *payload)
{
	payload->first_fragment = false;
	payload->later_fragment = false;
	payload->id = 0;
	offset += sizeof(struct ipv6hdr);
	for (__u32 i = 0; i <= MAX_EXTENSION_HEADERS; i++) {
		payload->offset = offset;
		payload->protocol = next;
		if (next == IPV6_FRAGMENT) {
			const struct fragment_header *fragment = at(frame, offset, sizeof(*fragment));
			if (!fragment)
				return VERDICT_TRUNCATED;
			next = fragment->next;
			payload->id = fragment->id;
			/* Offset 0 and no more to come is a whole packet (RFC 6946). */
			payload->first_fragment = fragment->offset == bpf_htons(IPV6_MORE_FRAGMENTS);
			offset += sizeof(*fragment);
			if (fragment->offset & bpf_htons(IPV6_FRAGMENT_OFFSET)) {
				payload->later_fragment = true;
				return VERDICT_FORWARDED;
			}
			continue;
		}
		if (next != IPV6_HOP_BY_HOP && next != IPV6_ROUTING && next != IPV6_DESTINATION_OPTIONS)
			return VERDICT_FORWARDED;

		const struct extension_header *header = at(frame, offset, sizeof(*header));
		if (!header)
			return VERDICT_TRUNCATED;
		/* The VIP is only a stop on the packet's way (RFC 8200, 4.4): not to be scheduled. */
		if (next == IPV6_ROUTING && header->segments_left)
			return VERDICT_EXTENSION;
		next = header->next;
		offset += 8 + header->length * 8;
	}
	return VERDICT_EXTENSION;
}

/* The ports of the packet that an error quotes, turned round: what the real server sent was the flow's other direction.
 */
static __always_inline bool take_quoted_ports(const struct frame *frame, const struct payload *quoted,
					      struct packet *packet, struct ports *turned)
{
	/* No more of the transport header is promised than eight bytes (RFC 792), and no more is needed. */
	const struct ports *ports = at(frame, quoted->offset, 8);

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

/* An ICMP error about a packet that left with the VIP as its source; false for all other ICMP. */
static __always_inline bool parse_icmp(const struct frame *frame, __u32 offset, struct packet *packet,
				       struct ports *turned)
{
	const struct icmp *icmp = at(frame, offset, sizeof(*icmp));
	const struct iphdr *quoted = at(frame, offset + sizeof(struct icmp), sizeof(*quoted));
	struct payload payload = {};

	if (!icmp || !quoted || !is_icmp_error(icmp->type) || quoted->saddr != packet->ip->daddr)
		return false;
	if (walk_ipv4(quoted, offset + sizeof(struct icmp), &payload) != VERDICT_FORWARDED)
		return false;
	packet->client = &quoted->daddr;
	return take_quoted_ports(frame, &payload, packet, turned);
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

static __always_inline bool parse_icmp6(const struct frame *frame, __u32 offset, struct packet *packet,
					struct ports *turned)
{
	const struct icmp *icmp = at(frame, offset, sizeof(*icmp));
	const struct ipv6hdr *quoted = at(frame, offset + sizeof(struct icmp), sizeof(*quoted));
	struct payload payload = {};

	if (!icmp || !quoted || !is_icmp6_error(icmp->type) || quoted->version != 6 ||
	    !same_ipv6(&quoted->saddr, &packet->ip6->daddr))
		return false;
	if (walk_ipv6(frame, offset + sizeof(struct icmp), quoted->nexthdr, &payload) != VERDICT_FORWARDED)
		return false;
	packet->client = &quoted->daddr;
	return take_quoted_ports(frame, &payload, packet, turned);
}

/* The ports of a TCP or UDP header. */
static __always_inline enum verdict take_ports(const struct frame *frame, const struct payload *payload,
					       struct packet *packet)
{
	if (payload->protocol != IPPROTO_TCP && payload->protocol != IPPROTO_UDP)
		return VERDICT_OTHER_PROTOCOL;
	const void *transport = at(frame, payload->offset, sizeof(struct udphdr));
	if (!transport || !parse_transport(frame, transport, payload->protocol, packet))
		return VERDICT_TRUNCATED;
	return VERDICT_FORWARDED;
}

/*
 * The ports and the client, wherever they stand; `room` is where ports go that stand nowhere as such. Returns what
 * stops the packet, VERDICT_FORWARDED when nothing does.
 */
static __always_inline enum verdict parse_ipv4_payload(const struct frame *frame, const struct payload *payload,
						       struct packet *packet, struct ports *room)
{
	bool fragment = payload->first_fragment || payload->later_fragment;

	if (fragment && !uses(FEATURE_FRAGMENTS))
		return VERDICT_FRAGMENT;
	if (payload->later_fragment) {
		packet->protocol = payload->protocol;
		packet->ports = room;
		packet->passive = true;
		return find_fragment4(packet->ip, room) ? VERDICT_FORWARDED : VERDICT_FRAGMENT;
	}
	if (payload->protocol == IPPROTO_ICMP) {
		/* An error is never as long as to be fragmented (RFC 1812, 4.3.2.3). */
		return !fragment && parse_icmp(frame, payload->offset, packet, room) ? VERDICT_FORWARDED : VERDICT_ICMP;
	}
	return take_ports(frame, payload, packet);
}

static __always_inline enum verdict parse_ipv6_payload(const struct frame *frame, const struct payload *payload,
						       struct packet *packet, struct ports *room)
{
	bool fragment = payload->first_fragment || payload->later_fragment;

	if (fragment && !uses(FEATURE_FRAGMENTS))
		return VERDICT_FRAGMENT;
	if (payload->later_fragment) {
		packet->ports = room;
		packet->passive = true;
		return find_fragment6(packet->ip6, payload->id, room, &packet->protocol) ? VERDICT_FORWARDED
											 : VERDICT_FRAGMENT;
	}
	if (payload->protocol == IPPROTO_ICMP6)
		return !fragment && parse_icmp6(frame, payload->offset, packet, room) ? VERDICT_FORWARDED
										      : VERDICT_ICMP;
	return take_ports(frame, payload, packet);
}

/* Steps over up to two VLAN tags; returns the EtherType behind them. */
static __always_inline __be16 skip_tags(struct frame *frame)
{
	__be16 type = ethertype(frame);

#pragma unroll
	for (__u32 i = 0; i < 2; i++) {
		if (!uses(FEATURE_VLAN) || (type != bpf_htons(ETH_P_8021Q) && type != bpf_htons(ETH_P_8021AD)))
			break;
		/* A tag is the id and the next EtherType. */
		const __be16 *tag = at(frame, sizeof(struct ethhdr) + i * 4, 4);
		if (!tag)
			return 0;
		frame->tags++;
		type = tag[1];
	}
	return type;
}
