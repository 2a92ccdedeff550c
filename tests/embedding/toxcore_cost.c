/* What clients of c-toxcore cost. It has no server: the first instance is the node that the others
 * come in by, and the program itself turns the crank. No threads are started.
 *
 * usage: toxcore_cost CLIENTS
 */

#include <tox/tox.h>

#include "cost.h"

static Tox *instances[MOST_CLIENTS + 1];

static Tox *new_instance(void)
{
    TOX_ERR_NEW error;
    Tox *tox;
    struct Tox_Options *options = tox_options_new(NULL);
    if (options == NULL)
        exit(1);
    /* They find each other by the address that they are told and not by broadcasts. */
    tox_options_set_local_discovery_enabled(options, false);
    tox_options_set_ipv6_enabled(options, false);
    tox_options_set_start_port(options, 34000);
    tox_options_set_end_port(options, 34000 + MOST_CLIENTS + 1);
    tox = tox_new(options, &error);
    tox_options_free(options);
    if (tox == NULL) {
        fprintf(stderr, "no instance: error %d\n", (int)error);
        exit(1);
    }
    return tox;
}

static void turn(int count)
{
    /* It has no descriptor to wait on and asks to be called again after tox_iteration_interval(), which is
     * longer than this. */
    struct timespec pause = {0, 1000000};
    for (int number = 0; number <= count; number++)
        tox_iterate(instances[number], NULL);
    nanosleep(&pause, NULL);
}

int main(int argc, char **argv)
{
    static double times[MOST_CLIENTS];
    uint8_t key[TOX_PUBLIC_KEY_SIZE];
    int wanted = clients_wanted(argc, argv, 1);
    int threads_of_one = 0;
    long base, first = 0;

    instances[0] = new_instance();
    tox_self_get_dht_id(instances[0], key);
    base = private_kib();
    for (int number = 1; number <= wanted; number++) {
        double began = now_ms();
        Tox *tox = new_instance();
        uint16_t port = tox_self_get_udp_port(instances[0], NULL);
        instances[number] = tox;
        if (!tox_bootstrap(tox, "127.0.0.1", port, key, NULL)) {
            fprintf(stderr, "no way in\n");
            return 1;
        }
        while (tox_self_get_connection_status(tox) == TOX_CONNECTION_NONE) {
            if (now_ms() - began > 60e3) {
                fprintf(stderr, "instance %d is not connected after a minute\n", number);
                return 1;
            }
            turn(number);
        }
        times[number - 1] = now_ms() - began;
        if (number == 1) {
            first = private_kib();
            threads_of_one = threads();
        }
    }
    report(times, wanted, base, first, threads_of_one);
    return 0;
}
