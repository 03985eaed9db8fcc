/* How long two CPUs take to answer each other, as JSON: nanoseconds from one's writing a line of memory to
 * its reading what the other made of it, the median of several tries. CPUs of one die take some tens, those
 * of two some hundreds: where a host moves a virtual machine's CPUs, this tells which of both a measurement
 * had. Arguments: the two CPUs. */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define TURNS 20000
#define TRIES 9

static _Alignas(64) atomic_int turn; /* odd: the answering thread's */

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int stayOn(int cpu) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(cpu, &set);
  return sched_setaffinity(0, sizeof set, &set);
}

static void awaitTurn(int wanted) {
  for (long spins = 0; atomic_load_explicit(&turn, memory_order_acquire) != wanted; ++spins)
    if (spins % 100000 == 99999)
      sched_yield(); /* the other one does not run */
}

static void *answer(void *cpu) {
  if (stayOn(*(int *)cpu) != 0)
    exit(1);
  for (int i = 0; i < TRIES * TURNS; ++i) {
    awaitTurn(2 * i + 1);
    atomic_store_explicit(&turn, 2 * i + 2, memory_order_release);
  }
  return NULL;
}

static int ascending(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

int main(int count, char **arguments) {
  if (count != 3)
    return 2;
  int here = atoi(arguments[1]), there = atoi(arguments[2]);
  double tries[TRIES];
  pthread_t other;
  if (stayOn(here) != 0 || pthread_create(&other, NULL, answer, &there) != 0)
    return 1;
  for (int t = 0; t < TRIES; ++t) {
    double from = now();
    for (int i = t * TURNS; i < (t + 1) * TURNS; ++i) {
      atomic_store_explicit(&turn, 2 * i + 1, memory_order_release);
      awaitTurn(2 * i + 2);
    }
    tries[t] = (now() - from) / TURNS;
  }
  pthread_join(other, NULL);
  qsort(tries, TRIES, sizeof *tries, ascending);
  printf("{\"round_trip_ns\": %.1f}\n", 1e9 * tries[TRIES / 2]);
  return 0;
}
