/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * The hash functions that the program and the control plane's sweeper (native/src/flows.cc) share: what spreads flows
 * over a ring and over the flow tables, and IPVS's hashes for sh and mh. They need no packet and no map.
 */
#pragma once

#include <linux/types.h>

/* Odd constants with well-spread bits: 2^64 / golden ratio, and the second and third prime of xxHash64. */
#define FLOW_MULTIPLIER_1 0x9e3779b97f4a7c15ULL
#define FLOW_MULTIPLIER_2 0xc2b2ae3d27d4eb4fULL
#define FLOW_MULTIPLIER_3 0x165667b19e3779f9ULL

/* Multiply, fold, multiply: one round of murmur3's finaliser. The well-mixed bits are the upper ones. */
static __always_inline __u64 mix(__u64 value)
{
	value *= FLOW_MULTIPLIER_1;
	value ^= value >> 32;
	return value * FLOW_MULTIPLIER_2;
}

/* The hash whose upper bits are a flow's slot: the same on every director. The port is as it lies in the packet. */
static __always_inline __u64 ring_hash4(__u32 client, __u16 port)
{
	return mix((__u64)port << 32 | client);
}

/* The port is spread over the whole word first, or clients of one network would cancel it out with their addresses. */
static __always_inline __u64 ring_hash6(__u64 prefix, __u64 host, __u16 port)
{
	prefix = mix(prefix);
	return mix(prefix ^ prefix >> 32 ^ (host + port * FLOW_MULTIPLIER_3));
}

/* Folded and multiplied once more: by products alone, one secret in a few puts neighbours' flows into few buckets. */
static __always_inline __u64 spread(__u64 product)
{
	return (product ^ product >> 32) * FLOW_MULTIPLIER_2;
}

/*
 * The upper bits are a flow's first bucket: multilinear hashing under a random secret (Lemire and Kaser, 2014), so that
 * nobody can fill a bucket on purpose.
 */
static __always_inline __u64 flow4_hash(__u64 key, __u64 secret)
{
	return spread(key * secret);
}

static __always_inline __u64 flow6_hash(__u64 prefix, __u64 host, __u64 rest, __u64 secret)
{
	return spread(prefix * secret + host * (secret << 21 | secret >> 43) + rest * (secret << 42 | secret >> 22));
}

/* The upper bits are its second bucket. */
static __always_inline __u64 flow_second_hash(__u64 hash)
{
	return (hash ^ hash >> 32) * FLOW_MULTIPLIER_3;
}

/* hash_32() of include/linux/hash.h, eight bits of it: sh's and dh's. */
#define SH_MULTIPLIER 0x61c88647U
#define SH_SLOTS 256
#define MH_SLOTS 4093
#define MH_KEY 2654435761ULL

static __always_inline __u64 rotate(__u64 value, __u32 bits)
{
	return value << bits | value >> (64 - bits);
}

static __always_inline void sip_round(__u64 v[4])
{
	v[0] += v[1];
	v[1] = rotate(v[1], 13) ^ v[0];
	v[0] = rotate(v[0], 32);
	v[2] += v[3];
	v[3] = rotate(v[3], 16) ^ v[2];
	v[0] += v[3];
	v[3] = rotate(v[3], 21) ^ v[0];
	v[2] += v[1];
	v[1] = rotate(v[1], 17) ^ v[2];
	v[2] = rotate(v[2], 32);
}

/* SipHash-1-3 of one 32-bit word under mh's key, the lower half (Aumasson and Bernstein, 2012; hsiphash in Linux). */
static __always_inline __u32 mh_hash(__u32 word)
{
	__u64 block = 4ULL << 56 | word;
	__u64 v[4] = {
		MH_KEY ^ 0x736f6d6570736575ULL,
		MH_KEY ^ 0x646f72616e646f6dULL,
		MH_KEY ^ 0x6c7967656e657261ULL,
		MH_KEY ^ 0x7465646279746573ULL ^ block,
	};

	sip_round(v);
	v[0] ^= block;
	v[2] ^= 0xff;
	sip_round(v);
	sip_round(v);
	sip_round(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

/* What sh and mh hash: the address folded to 32 bits as IPVS does with IPv6's, in host order, and the port if asked. */
static __always_inline __u32 sh_slot(__u32 word)
{
	return word * SH_MULTIPLIER >> 24;
}

static __always_inline __u32 mh_slot(__u32 word)
{
	return mh_hash(word) % MH_SLOTS;
}
