/* What clients of libmosquitto cost, each with the thread that mosquitto_loop_start gives it.
 *
 * usage: mosquitto_cost PORT CA_FILE CLIENTS
 */

#include <mosquitto.h>
#include <semaphore.h>

#include "cost.h"

static sem_t connected;

static void on_connect(struct mosquitto *client, void *user, int result)
{
    (void)client;
    (void)user;
    if (result != 0) {
        fprintf(stderr, "not connected: %s\n", mosquitto_connack_string(result));
        exit(1);
    }
    sem_post(&connected);
}

int main(int argc, char **argv)
{
    static struct mosquitto *clients[MOST_CLIENTS];
    static double times[MOST_CLIENTS];
    int wanted = clients_wanted(argc, argv, 3);
    int threads_of_one = 0;
    long base, first = 0;

    sem_init(&connected, 0, 0);
    mosquitto_lib_init();
    base = private_kib();
    for (int number = 0; number < wanted; number++) {
        struct timespec deadline;
        double began = now_ms();
        int status;
        clients[number] = mosquitto_new(NULL, true, NULL);
        mosquitto_connect_callback_set(clients[number], on_connect);
        mosquitto_username_pw_set(clients[number], "cost", "correct horse");
        status = mosquitto_tls_set(clients[number], argv[2], NULL, NULL, NULL, NULL);
        if (status == MOSQ_ERR_SUCCESS)
            status = mosquitto_loop_start(clients[number]);
        if (status == MOSQ_ERR_SUCCESS)
            status = mosquitto_connect(clients[number], "localhost", atoi(argv[1]), 60);
        if (status != MOSQ_ERR_SUCCESS) {
            fprintf(stderr, "no client: %s\n", mosquitto_strerror(status));
            return 1;
        }
        clock_gettime(CLOCK_REALTIME, &deadline);
        deadline.tv_sec += 10;
        if (sem_timedwait(&connected, &deadline) != 0) {
            perror("not connected");
            return 1;
        }
        times[number] = now_ms() - began;
        if (number == 0) {
            first = private_kib();
            threads_of_one = threads();
        }
    }
    report(times, wanted, base, first, threads_of_one);
    return 0;
}
