/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * From a frame's bytes to the few facts that scheduling needs, for plain packets: untagged frames with a whole TCP or
 * UDP packet and no IP options. Here all other packets are found to be not plain; unusual.h parses them.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "verdict.h"

#define likely(condition) __builtin_expect(!!(condition), 1)
#define unlikely(condition) __builtin_expect(!!(condition), 0)

/* IPv4's first byte when there are no options: version 4, header length 5 words (RFC 791, 3.1). */
#define IPV4_PLAIN_HEADER 0x45
/* IPv4's more-fragments flag and fragment offset (RFC 791, 3.1): both zero when the packet is whole. */
#define IPV4_MORE_FRAGMENTS 0x2000
#define IPV4_FRAGMENT_OFFSET 0x1fff

/*
 * The result of parsing. For a packet that cannot be scheduled it has the number of the verdict that says why, so that
 * verdict_of() costs no instruction.
 */
enum parse_result {
	PARSE_NOT_OURS = VERDICT_NOT_OURS,
	PARSE_ICMP = VERDICT_ICMP,
	PARSE_OTHER_PROTOCOL = VERDICT_OTHER_PROTOCOL,
	PARSE_FRAGMENT = VERDICT_FRAGMENT,
	PARSE_EXTENSION = VERDICT_EXTENSION,
	PARSE_TRUNCATED = VERDICT_TRUNCATED,
	PARSE_MALFORMED = VERDICT_MALFORMED,
	PARSE_EARLY = VERDICT_EARLY,
	/* No verdicts: */
	PARSED = VERDICT_COUNT,
	PARSE_NOT_PLAIN, /* unusual.h parses the packet */
	PARSE_AGAIN,     /* the packet is plain, and starts again as an unusual one */
};

/* The same among verdicts. */
#define NOT_PLAIN ((enum verdict)PARSE_AGAIN)

/* Returns the verdict of a packet that needs no more parsing. */
static __always_inline enum verdict verdict_of(enum parse_result result)
{
	return (enum verdict)result;
}

/*
 * Returns the result of a packet that has its verdict already: the same number. A verdict beside the result, a second
 * value, costs each plain packet two instructions and four loads.
 */
static __always_inline enum parse_result result_of(enum verdict verdict)
{
	return (enum parse_result)verdict;
}

/* The bytes that the driver handed over; every read is checked against `end`. */
struct frame {
	void *start;
	void *end;
	__u32 tags; /* VLAN tags before the IP header: 0, 1 or 2 */
};

/* The frame must hold an Ethernet header. Of struct ethhdr, which is packed, clang would read byte by byte. */
static __always_inline __be16 ethertype(const struct frame *frame)
{
	return *(const __be16 *)(frame->start + offsetof(struct ethhdr, h_proto));
}

/* The facts that scheduling needs. Headers stay in the frame and are read when they are needed. */
struct packet {
	union {
		const struct iphdr *ip;
		const struct ipv6hdr *ip6;
	};
	const void *client;        /* the client's address, 4 or 16 bytes */
	const struct tcphdr *tcp;  /* NULL when there is no TCP header */
	const struct udphdr *udp;  /* NULL when there is no UDP header */
	const struct ports *ports; /* the client's, then the service's */
	__u8 protocol;             /* IPPROTO_TCP or IPPROTO_UDP */
	bool passive;              /* does not change its flow's state: an ICMP error, a later fragment */
	bool digested;             /* its headers were read already: see digest() */
	__u8 event;                /* then: enum flow_event */
	__u8 steady;               /* then: steady_state() */
	bool opens;                /* then: opens_flow() */
	bool by_first; /* a later fragment of an ICMP error: goes where the first one went, or to the host */
	/* A later fragment's: the number of the destination that the first one went to, where it was kept; else 0. */
	__u32 first_went;
};

/* Whether this looks like the first packet of a flow: a TCP SYN without ACK. */
static __always_inline bool opens_flow(const struct packet *packet)
{
	if (packet->digested)
		return packet->opens;
	return packet->tcp && packet->tcp->syn && !packet->tcp->ack;
}

/* The shortest frame with a plain packet: IPv4 and UDP. */
#define PLAIN_BYTES (sizeof(struct ethhdr) + sizeof(struct iphdr) + sizeof(struct udphdr))

/*
 * Reads the ports of a TCP or UDP header. False when it is neither, or the frame ends within it. The frame must hold
 * a UDP header's bytes.
 */
static __always_inline bool parse_transport(const struct frame *frame, const void *transport, __u8 protocol,
					    struct packet *packet)
{
	packet->protocol = protocol;
	if (likely(protocol == IPPROTO_TCP)) {
		if (unlikely(transport + sizeof(struct tcphdr) > frame->end))
			return false;
		packet->tcp = transport;
	} else if (protocol != IPPROTO_UDP) {
		return false;
	} else {
		packet->udp = transport;
	}
	packet->ports = transport;
	return true;
}

/* False when the packet is not plain. The frame must hold PLAIN_BYTES. */
static __always_inline bool parse_plain_ipv4(const struct frame *frame, struct packet *packet)
{
	const struct iphdr *ip = frame->start + sizeof(struct ethhdr);

	if (unlikely(*(const __u8 *)ip != IPV4_PLAIN_HEADER))
		return false;
	if (unlikely(ip->frag_off & bpf_htons(IPV4_MORE_FRAGMENTS | IPV4_FRAGMENT_OFFSET)))
		return false;
	packet->ip = ip;
	packet->client = &ip->saddr;
	return parse_transport(frame, ip + 1, ip->protocol, packet);
}

/* The same for IPv6. */
static __always_inline bool parse_plain_ipv6(const struct frame *frame, struct packet *packet)
{
	const struct ipv6hdr *ip6 = frame->start + sizeof(struct ethhdr);

	if (unlikely((void *)(ip6 + 1) + sizeof(struct udphdr) > frame->end))
		return false;
	if (unlikely(ip6->version != 6))
		return false;
	packet->ip6 = ip6;
	packet->client = &ip6->saddr;
	return parse_transport(frame, ip6 + 1, ip6->nexthdr, packet);
}

/* Parses a plain packet of either family. `is_ipv6` is a constant. */
static __always_inline bool parse_plain(const struct frame *frame, struct packet *packet, bool is_ipv6)
{
	return is_ipv6 ? parse_plain_ipv6(frame, packet) : parse_plain_ipv4(frame, packet);
}
