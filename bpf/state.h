/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * How a packet changes its flow's state. In direct routing only the client's half passes here, so this is the table
 * that IPVS calls input-only (net/netfilter/ipvs/ip_vs_proto_tcp.c), but for one transition: a client that sends an ACK
 * or a FIN after a reset did not send the reset, or its real server ignored it (RFC 5961, 3.2), and the flow lives.
 */
#pragma once

#include "flow_entry.h"
#include "parse.h"

/* The events by which packets change the states of flows. */
enum flow_event {
	EVENT_SYN, /* with or without ACK: IPVS schedules both */
	EVENT_FIN,
	EVENT_ACK,
	EVENT_RST,
	EVENT_NONE,     /* TCP without any of these */
	EVENT_DATAGRAM, /* UDP */
	EVENT_INITIAL,  /* UDP that begins a QUIC connection */
	EVENT_PASSIVE, /* changes nothing: an ICMP error about the flow, a later fragment, a TCP header without flags */
	EVENT_IPSEC,   /* begins nothing, and the client's IKE goes on */
};

/* Whether a packet is never scheduled by itself. */
static __always_inline bool begins_nothing(__u32 event)
{
	return event >= EVENT_PASSIVE;
}

/* TCP's flags, the fourteenth byte of its header (RFC 9293, 3.1). */
#define TCP_FLAGS_OFFSET 13
#define TCP_FIN 0x01
#define TCP_SYN 0x02
#define TCP_RST 0x04
#define TCP_ACK 0x10
#define TCP_FLAGS_OF_STATE (TCP_FIN | TCP_SYN | TCP_RST | TCP_ACK)

static __always_inline __u8 tcp_flags(const struct packet *packet)
{
	return *((const __u8 *)packet->tcp + TCP_FLAGS_OFFSET);
}

/* A QUIC packet with a long header (RFC 8999, 5.1): its first byte, then the version. */
#define QUIC_LONG_HEADER 0xc0
#define QUIC_TYPE_MASK 0xf0
#define QUIC_V1 0x00000001
#define QUIC_V1_INITIAL 0xc0 /* RFC 9000, 17.2.2 */
#define QUIC_V2 0x6b3343cf
#define QUIC_V2_INITIAL 0xd0 /* RFC 9369, 3.2 */

/* Whether a datagram begins a QUIC connection. About one in 2^34 packets of other protocols looks like that. */
static __always_inline bool is_quic_initial(const struct frame *frame, const void *udp)
{
	const __u8 *payload = udp + sizeof(struct udphdr);

	/* For the verifier, which does not know that a packet without a TCP header has this one. */
	if (!udp)
		return false;
	if ((void *)payload + 5 > frame->end || (payload[0] & QUIC_LONG_HEADER) != QUIC_LONG_HEADER)
		return false;
	__u32 version = (__u32)payload[1] << 24 | payload[2] << 16 | payload[3] << 8 | payload[4];
	__u8 type = payload[0] & QUIC_TYPE_MASK;
	return (version == QUIC_V1 && type == QUIC_V1_INITIAL) || (version == QUIC_V2 && type == QUIC_V2_INITIAL);
}

static __always_inline enum flow_event event_of(const struct frame *frame, const struct packet *packet)
{
	if (packet->digested)
		return packet->event;
	if (packet->passive)
		return EVENT_PASSIVE;
	if (!packet->tcp)
		return is_quic_initial(frame, packet->udp) ? EVENT_INITIAL : EVENT_DATAGRAM;
	__u8 flags = tcp_flags(packet);
	if (flags & TCP_RST)
		return EVENT_RST;
	if (flags & TCP_SYN)
		return EVENT_SYN;
	if (flags & TCP_FIN)
		return EVENT_FIN;
	return flags & TCP_ACK ? EVENT_ACK : EVENT_NONE;
}

/* A row of the table: four bits for each state. States that are not named become FLOW_CLOSE. */
#define ROW(syn_recv, unconfirmed, time_wait, fin_wait, established)                             \
	((__u64)(syn_recv) << 4 * FLOW_SYN_RECV | (__u64)(unconfirmed) << 4 * FLOW_UNCONFIRMED | \
	 (__u64)(time_wait) << 4 * FLOW_TIME_WAIT | (__u64)(fin_wait) << 4 * FLOW_FIN_WAIT |     \
	 (__u64)(established) << 4 * FLOW_ESTABLISHED)
#define FROM_CLOSE(next) ((__u64)(next) << 4 * FLOW_CLOSE)

/*
 * Returns the next state of a flow that does not last. FLOW_UNCONFIRMED, unknown to IPVS, is established, and any next
 * packet confirms it.
 */
static __always_inline __u32 next_state(__u32 state, enum flow_event event)
{
	__u64 row = 0;

	switch (event) {
	case EVENT_SYN:
		row = ROW(FLOW_SYN_RECV, FLOW_UNCONFIRMED, FLOW_SYN_RECV, FLOW_SYN_RECV, FLOW_ESTABLISHED) |
		      FROM_CLOSE(FLOW_SYN_RECV);
		break;
	case EVENT_FIN:
		row = ROW(FLOW_TIME_WAIT, FLOW_FIN_WAIT, FLOW_TIME_WAIT, FLOW_FIN_WAIT, FLOW_FIN_WAIT) |
		      FROM_CLOSE(FLOW_FIN_WAIT);
		break;
	case EVENT_ACK:
		row = ROW(FLOW_UNCONFIRMED, FLOW_ESTABLISHED, FLOW_TIME_WAIT, FLOW_FIN_WAIT, FLOW_ESTABLISHED) |
		      FROM_CLOSE(FLOW_ESTABLISHED);
		break;
	case EVENT_RST:
		row = ROW(FLOW_SYN_RECV, FLOW_CLOSE, FLOW_CLOSE, FLOW_CLOSE, FLOW_CLOSE);
		break;
	case EVENT_NONE:
		return FLOW_CLOSE;
	case EVENT_DATAGRAM:
	case EVENT_INITIAL:
	case EVENT_IPSEC:
		return FLOW_UDP;
	case EVENT_PASSIVE:
		return state;
	}
	__u32 next = row >> 4 * state & 15;
	return next ? next : FLOW_CLOSE;
}

/*
 * Returns the state of a flow after a packet. A packet in another unit of time than the one before shows that the flow
 * lasts: whoever forges flows must go on sending for each of them. No branches of its own, for the verifier's sake.
 */
static __always_inline __u32 state_after(__u64 data, enum flow_event event, __u32 now)
{
	__u32 state = flow_state(data), young = state ^ lasts(state) * FLOW_LASTING, next = next_state(young, event);
	__u32 stays = 1 - is_set(next ^ young);

	return next | (grown(next, lasts(state) | flow_age(data, now)) & stays * FLOW_LASTING);
}
