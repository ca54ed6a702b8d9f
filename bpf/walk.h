/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * Walks over what may stand between the Ethernet header and the transport header: VLAN tags, IPv4 options, IPv6
 * extension headers.
 */
#pragma once

#include "maps.h"
#include "parse.h"

/*
 * The longest chain of extension headers: one more than RFC 8200, 4.1 recommends before the transport header without
 * IPsec (hop-by-hop, destination options, routing, fragment, destination options).
 */
#define MAX_EXTENSION_HEADERS 6

/* Next-header values (RFC 8200). */
#define IPV6_HOP_BY_HOP 0
#define IPV6_ROUTING 43
#define IPV6_FRAGMENT 44
#define IPV6_AUTHENTICATION 51
#define IPV6_DESTINATION_OPTIONS 60

#define IPPROTO_ICMP6 58 /* RFC 4443 */

/* The offset and a flag in an IPv6 fragment header (RFC 8200, 4.5). */
#define IPV6_FRAGMENT_OFFSET 0xfff8
#define IPV6_MORE_FRAGMENTS 1

/* A bound for the verifier on how far into the frame a header may lie: 6 headers of 2 KB, twice, and some more. */
#define MAX_OFFSET 0x7fff

/* A VLAN tag (IEEE 802.1Q, 9.3). */
#define TAG_BYTES 4
#define TAG_ID 0x0fff

/* An IPv6 fragment header (RFC 8200, 4.5). */
struct fragment_header {
	__u8 next;
	__u8 reserved;
	__be16 offset;
	__be32 id;
};

/* The first eight bytes of the other extension headers (RFC 8200, 4.2 to 4.6; RFC 4302, 2). */
struct extension_header {
	__u8 next;
	__u8 length; /* in units of eight bytes, without the first; of AH: of four bytes, without two */
	__u8 type;
	__u8 segments_left; /* of a routing header */
	__u32 rest;
};

/* The payload of an IP header, behind its options or extension headers. */
struct payload {
	__u32 offset; /* from the frame's start */
	__be32 id;    /* of an IPv6 fragment */
	__u8 protocol;
	bool first_fragment; /* with more to come */
	bool later_fragment;
	bool not_first; /* a later fragment, also where each is followed by itself, as those of IPsec */
};

/* Returns the bytes at an offset, or NULL when the frame ends before `bytes` of them, a constant. */
static __always_inline void *at(const struct frame *frame, __u32 offset, __u32 bytes)
{
	/* The verifier allows only numbers that it knows to be small to be added to a packet's pointer
	 * (MAX_PACKET_OFF). */
	KEEP_BOUNDS_CHECK(offset);
	void *pointer = frame->start + (offset & MAX_OFFSET);

	return pointer + bytes > frame->end ? NULL : pointer;
}

/*
 * Whether a packet is IPsec's. It goes where the client's IKE goes (RFC 7296: UDP port 500), and keeps that flow alive,
 * as in IPVS; each fragment by itself, since nothing behind the IP header is read. IPv6's AH is an extension header.
 */
static __always_inline bool is_ipsec(__u8 protocol, bool is_ipv6)
{
	return protocol == IPPROTO_ESP || (!is_ipv6 && protocol == IPPROTO_AH);
}

#define IKE_PORT 500

/* Finds the payload of an IPv4 header. */
static __always_inline enum parse_result walk_ipv4(const struct iphdr *ip, __u32 offset, struct payload *payload)
{
	if (ip->version != 4 || ip->ihl < 5)
		return PARSE_MALFORMED;
	payload->offset = offset + ip->ihl * 4;
	payload->protocol = ip->protocol;
	payload->not_first = ip->frag_off & bpf_htons(IPV4_FRAGMENT_OFFSET);
	if (is_ipsec(ip->protocol, false)) {
		payload->first_fragment = false;
		payload->later_fragment = false;
		return PARSED;
	}
	payload->later_fragment = payload->not_first;
	payload->first_fragment = !payload->later_fragment && ip->frag_off & bpf_htons(IPV4_MORE_FRAGMENTS);
	return PARSED;
}

/*
 * Finds the payload of an IPv6 header: the transport header, or the bytes of a later fragment. Returns an enum
 * parse_result. Global, and so verified once, and what follows is verified for one payload and not for each chain.
 */
__noinline int walk_ipv6(struct xdp_md *context, __u32 offset, __u32 next, struct payload *payload)
{
	const struct frame whole = {
		.start = (void *)(long)context->data,
		.end = (void *)(long)context->data_end,
	};
	const struct frame *frame = &whole;

	if (!payload)
		return PARSE_MALFORMED;
	payload->first_fragment = false;
	payload->later_fragment = false;
	payload->not_first = false;
	payload->id = 0;
	offset += sizeof(struct ipv6hdr);
	for (__u32 i = 0; i <= MAX_EXTENSION_HEADERS; i++) {
		payload->offset = offset;
		payload->protocol = next;
		if (next == IPV6_FRAGMENT) {
			const struct fragment_header *fragment = at(frame, offset, sizeof(*fragment));
			if (!fragment)
				return PARSE_TRUNCATED;
			next = fragment->next;
			payload->id = fragment->id;
			/* Offset 0 and no more to come is a whole packet (RFC 6946). */
			payload->first_fragment = fragment->offset == bpf_htons(IPV6_MORE_FRAGMENTS);
			offset += sizeof(*fragment);
			if (fragment->offset & bpf_htons(IPV6_FRAGMENT_OFFSET)) {
				payload->protocol = next;
				payload->not_first = true;
				payload->later_fragment = !is_ipsec(next, true);
				return PARSED;
			}
			continue;
		}
		if (next != IPV6_HOP_BY_HOP && next != IPV6_ROUTING && next != IPV6_DESTINATION_OPTIONS &&
		    next != IPV6_AUTHENTICATION) {
			payload->first_fragment &= !is_ipsec(next, true);
			return PARSED;
		}

		const struct extension_header *header = at(frame, offset, sizeof(*header));
		if (!header)
			return PARSE_TRUNCATED;
		/* The VIP is only a stop on the packet's way (RFC 8200, 4.4). */
		if (next == IPV6_ROUTING && header->segments_left)
			return PARSE_EXTENSION;
		offset += next == IPV6_AUTHENTICATION ? (header->length + 2) * 4 : (header->length + 1) * 8;
		next = header->next;
	}
	return PARSE_EXTENSION;
}

/* Finds the payload of an IP header of either family. `is_ipv6` is a constant. */
static __always_inline enum parse_result walk(struct xdp_md *context, const struct packet *packet, __u32 offset,
					      struct payload *payload, bool is_ipv6)
{
	if (!is_ipv6)
		return walk_ipv4(packet->ip, offset, payload);
	return packet->ip6->version == 6 ? (enum parse_result)walk_ipv6(context, offset, packet->ip6->nexthdr, payload)
					 : PARSE_MALFORMED;
}

static __always_inline bool is_tag(__be16 type)
{
	return type == bpf_htons(ETH_P_8021Q) || type == bpf_htons(ETH_P_8021AD);
}

/* Skips up to two VLAN tags and returns the EtherType behind them. */
static __always_inline __be16 skip_tags(struct frame *frame)
{
	__be16 type = ethertype(frame);

#pragma unroll
	for (__u32 i = 0; i < 2; i++) {
		if (!is_tag(type))
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

/*
 * Returns the VLAN that a frame's tags name, as in struct nics; 0: the untagged LAN. A tag with id 0 has only a
 * priority (IEEE 802.1Q, 6.8): it names no VLAN.
 */
static __always_inline __u32 vlan_of(const struct frame *frame)
{
	__be16 type = ethertype(frame);
	__u32 vlan = 0;

#pragma unroll
	for (__u32 i = 0; i < 2 && is_tag(type); i++) {
		const __be16 *tag = at(frame, sizeof(struct ethhdr) + i * 4, 4);
		if (!tag)
			break;
		__u32 id = bpf_ntohs(tag[0]) & TAG_ID;

		if (id)
			vlan = vlan << 16 | id | (type == bpf_htons(ETH_P_8021AD) ? VLAN_SERVICE_TAG : 0);
		type = tag[1];
	}
	return vlan;
}
