// SPDX-License-Identifier: Apache-2.0
// Children of the parser's cage as an attacker would have them: descriptor 0 is the stream, 1 the memory.
#define _GNU_SOURCE
#include "probe.h"

#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { stored = 8 << 20, raw = 4 << 20 };

static void say(uint32_t kind, uint32_t first, uint32_t second) {
    uint32_t words[4] = {kind, first, second, 0};
    if (write(0, words, sizeof words) != sizeof words) _exit(98);
}

static int is(const char *behaviour, const char *name) { return strcmp(behaviour, name) == 0; }

// Swift's runtime is linked too, and would report a crash at length.
static void end_by(int number) {
    signal(number, SIG_DFL);
    raise(number);
}

int play_child(const char *behaviour) {
    uint32_t request[4];
    volatile uint32_t *memory = mmap(NULL, stored + raw, PROT_READ | PROT_WRITE, MAP_SHARED, 1, 0);
    if (memory == MAP_FAILED) return 97;
    if (is(behaviour, "ends-at-start")) return 3;
    if (is(behaviour, "silent-at-start")) pause();
    if (is(behaviour, "nonsense-at-start")) say(77, 0, 0);
    else if (is(behaviour, "no-seccomp")) say(2, 4, 38);
    else say(0x64726179, 7, 0);
    if (is(behaviour, "shrinks") && ftruncate(1, 4096) == 0) return 96;
    if (read(0, request, sizeof request) != sizeof request) return 0;
    if (is(behaviour, "crashes")) end_by(SIGSEGV);
    if (is(behaviour, "is-forbidden")) end_by(SIGSYS);
    if (is(behaviour, "is-killed")) raise(SIGKILL);
    if (is(behaviour, "exits")) return 5;
    if (is(behaviour, "is-silent")) pause();
    if (is(behaviour, "talks-nonsense")) say(4, 1, 1);
    if (is(behaviour, "stops-in-mid-word") && write(0, request, 7) == 7) return 0;
    if (is(behaviour, "invents-an-error")) say(7, 4000000000u, 0);
    if (is(behaviour, "lies") || is(behaviour, "shrinks")) {
        memset((char *)memory + stored, 'x', raw);
        say(4, 0, 0);
    }
    if (is(behaviour, "changes-its-mind")) {
        memset((char *)memory + stored, 'a', raw);
        say(4, 0, 0);
        for (uint32_t word = 0;; word++) memory[stored / 4 + word % 1024] = word;
    }
    pause();
    return 0;
}
