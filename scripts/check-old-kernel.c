// SPDX-License-Identifier: MIT OR GPL-2.0-only
/*
 * The init of the old kernel that scripts/check-old-kernel boots, and three more programs that it runs: one built for
 * director.bpf.o, one for explain.bpf.o, and for check.bpf.o and host.bpf.o, which have neither tables nor features.
 * Loads the program as MapSet.create() in src/dataplane/maps/map-set.ts does, for every set of features or for the
 * given ones, and prints the verifier's results. Root can also run it without an emulator, to test the running kernel.
 */
#include <bpf/libbpf.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/reboot.h>
#include <sys/wait.h>
#include <unistd.h>

/* The built object; includes layout.h and verdict.h. */
#ifdef EXPLAIN
#include "explain.skel.h"
#define OBJECT(suffix) explain_bpf##suffix
#define PROGRAM explain
#elif defined(CHECK)
#include "check.skel.h"
#define OBJECT(suffix) check_bpf##suffix
#define PROGRAM check_ingress
#elif defined(HOST)
#include "host.skel.h"
#define OBJECT(suffix) host_bpf##suffix
#define PROGRAM host_back
#else
#include "director.skel.h"
#define OBJECT(suffix) director_bpf##suffix
#define PROGRAM director
#endif
#define NAME_OF(program) #program
#define TEXT_OF(program) NAME_OF(program)

#define CPUS 1
#define LOG_BYTES (64 << 20)
#define LOG_PATH 1 /* BPF_LOG_LEVEL1: the instructions up to the one that the verifier refused */
#define LOG_STATS 4

static char log_text[LOG_BYTES];

/* log2 of the sizes of the tables. Larger tables are tested with the last sets only. */
struct size {
  const char* name;
  int services, slots, destinations, buckets, first_features;
};

static const struct size sizes[] = {
    {"small", 8, 16, 10, 0, 1},
    {"medium", 12, 20, 14, 16, 252},
    {"large", 16, 27, 20, 20, 252},
};

static void configure(struct OBJECT() * object, const struct size* size, int features) {
#if !defined(CHECK) && !defined(HOST)
  __u32 destinations = 1 << size->destinations, services = 1 << size->services, buckets = 1 << size->buckets;

  object->rodata->geometry = (struct geometry){
      .services4_shift = 64 - size->services,
      .services6_shift = 64 - size->services,
      .slot_mask = (1 << size->slots) - 1,
      .destination_mask = destinations - 1,
      .service_mask = services - 1,
      .flows4_mask = buckets - 1,
      .flows6_mask = buckets - 1,
  };
  object->rodata->features = features;
  object->rodata->clock_shift = 8;
  for (unsigned i = 0; i < HASH_SECRET_WORDS; i++) object->rodata->hash_secret[i] = MULTIPLIER_1 * (i + 1);

#define SIZE(map, bytes) bpf_map__set_value_size(object->maps.map, bytes)
  SIZE(services4, sizeof(struct services4) + services * sizeof(struct service4));
  SIZE(services6, sizeof(struct services6) + services * sizeof(struct service6));
  SIZE(destinations, offsetof(struct destinations, entry) + 2 * destinations * sizeof(struct destination) +
                         (sizeof(__u16) << size->slots));
  SIZE(egresses, destinations * sizeof(struct egress));
  SIZE(destination_counters, destinations * sizeof(struct counter));
  SIZE(service_verdicts, services * sizeof(struct service_verdicts));
  SIZE(policies, services * sizeof(struct policy));
  SIZE(candidates, destinations * sizeof(struct candidate) + sizeof(struct candidates));
  SIZE(flows4, buckets * WAYS_IPV4 * sizeof(struct flow4));
  SIZE(flows6, buckets * WAYS_IPV6 * sizeof(struct flow6));
  SIZE(loads, destinations * sizeof(struct load));
  SIZE(cursors, services * sizeof(struct cursor));
#define ROWS(map, count) bpf_map__set_max_entries(object->maps.map, count)
  ROWS(destination_counters, CPUS + 1);
  ROWS(service_verdicts, CPUS + 1);
  ROWS(flow_counters, CPUS + 1);
  ROWS(flow_queries, CPUS);
  ROWS(service_identities, services);
  ROWS(destination_identities, destinations);
#endif
}

/* Returns 0 if the kernel accepts the program, otherwise a negative error number. */
static int load(const struct size* size, int features, int log_level) {
  struct OBJECT()* object = OBJECT(__open)();

  if (!object) return -ENOMEM;
#ifdef EXPLAIN
  /* Of the same file, and loaded from the other. */
  bpf_program__set_autoload(object->progs.director, false);
  bpf_program__set_autoload(object->progs.clock, false);
#endif
  log_text[0] = '\0';
  configure(object, size, features);
  bpf_program__set_log_buf(object->progs.PROGRAM, log_text, sizeof(log_text));
  bpf_program__set_log_level(object->progs.PROGRAM, log_level);
  int error = OBJECT(__load)(object);
  OBJECT(__destroy)(object);
  return error;
}

static const char* last_lines(const char* text, int lines) {
  const char* at = text + strlen(text);

  while (at > text && lines > 0) lines -= *--at == '\n';
  return at;
}

/* Loads the program and prints the result. Returns 1 if the kernel refused it. */
static int check(const struct size* size, int features) {
  int error = load(size, features, LOG_STATS);

  printf("%s, %s tables, features %d: ", TEXT_OF(PROGRAM), size->name, features);
  if (!error) {
    /* "verification time", "stack depth", "processed ... insns": printed in one line. */
    for (char* end = log_text; (end = strchr(end, '\n')); *end = ' ');
    printf("%s\n", log_text);
    return 0;
  }
  printf("REFUSED: %s\n", strerror(-error));
  load(size, features, LOG_PATH);
  printf("%s\n", last_lines(log_text, 40));
  return 1;
}

static int quiet(enum libbpf_print_level level, const char* format, va_list values) { return 0; }

int main(int count, char** words) {
  int refused = 0;

  setvbuf(stdout, NULL, _IOLBF, 0);
  libbpf_set_print(quiet);
#if defined(CHECK) || defined(HOST)
  return check(&sizes[0], 0);
#endif
  for (unsigned i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
    for (int features = sizes[i].first_features; features < 256 && count == 1; features++)
      refused += check(&sizes[i], features);
    for (int word = 1; word < count; word++) refused += check(&sizes[i], atoi(words[word]));
  }
  if (getpid() == 1) {
    const char* others[] = {"/explain", "/check", "/host"};

    for (unsigned i = 0; i < sizeof(others) / sizeof(*others); i++) {
      int status = 0;

      if (fork() == 0) {
        execv(others[i], words);
        _exit(1);
      }
      if (wait(&status) < 0 || status) refused++;
    }
    printf("%d refused\n", refused);
    reboot(RB_AUTOBOOT);
  }
  return refused != 0;
}
