/* What the three programs beside this file measure alike: memory, threads, and time. */

#ifndef COST_H
#define COST_H

#include <dirent.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MOST_CLIENTS 1000

static double now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

/* Memory that is this process's alone and not a file's: heap, stacks, what of libraries was written to. Without
 * what malloc keeps of a burst for the next one: that depends on who happened to be connecting at the same time. */
static long private_kib(void)
{
    char line[256];
    long kib = -1;
    FILE *file;

    malloc_trim(0);
    file = fopen("/proc/self/smaps_rollup", "r");
    if (file == NULL) {
        perror("/proc/self/smaps_rollup");
        exit(1);
    }
    while (fgets(line, sizeof line, file) != NULL) {
        if (sscanf(line, "Anonymous: %ld kB", &kib) == 1)
            break;
    }
    fclose(file);
    return kib;
}

static int threads(void)
{
    int count = 0;
    struct dirent *entry;
    DIR *tasks = opendir("/proc/self/task");
    if (tasks == NULL) {
        perror("/proc/self/task");
        exit(1);
    }
    while ((entry = readdir(tasks)) != NULL)
        count += entry->d_name[0] != '.';
    closedir(tasks);
    return count;
}

static int by_size(const void *left, const void *right)
{
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

/* Prints the line that cost.py reads. `first` is the memory with one client, `base` without any. */
static void report(double *times, int clients, long base, long first, int threads_of_one)
{
    long all = private_kib();
    qsort(times, (size_t)clients, sizeof *times, by_size);
    printf("{\"clients\": %d, \"threads_of_one\": %d, \"threads\": %d, \"first_kib\": %ld, "
           "\"kib_per_client\": %.1f, \"connect_ms\": %.2f}\n",
           clients, threads_of_one - 1, threads() - 1, first - base,
           (double)(all - first) / (double)(clients - 1), times[clients / 2]);
}

static int clients_wanted(int argc, char **argv, int place)
{
    int wanted = argc > place ? atoi(argv[place]) : 0;
    if (wanted < 2 || wanted > MOST_CLIENTS) {
        fprintf(stderr, "between 2 and %d clients\n", MOST_CLIENTS);
        exit(2);
    }
    return wanted;
}

#endif
