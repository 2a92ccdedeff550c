/* What the library adds to a process: four threads however many handles, none with the mask of a caller, and
 * descriptors that no exec inherits.
 *
 * valgrind: the masks of threads are its own there.
 */
#include "check.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>

static int is_crash(int number)
{
    const int crashes[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS, SIGABRT};
    for (size_t i = 0; i < sizeof crashes / sizeof *crashes; i++)
        if (number == crashes[i])
            return 1;
    return 0;
}

/* Looks at the mask of every thread of the library: neither the first one nor this one. Answers how many there are. */
static int check_threads(void)
{
    DIR *tasks = opendir("/proc/self/task");
    CHECK(tasks != NULL);
    int count = 0;
    struct dirent *task;
    while ((task = readdir(tasks)) != NULL) {
        int number = atoi(task->d_name);
        if (number == 0 || number == getpid() || number == (int)syscall(SYS_gettid))
            continue;
        char path[300], line[256], name[64] = "";
        snprintf(path, sizeof path, "/proc/self/task/%s/status", task->d_name);
        FILE *file = fopen(path, "r");
        if (file == NULL)
            continue; /* it ended just now */
        unsigned long long mask = 0;
        while (fgets(line, sizeof line, file)) {
            sscanf(line, "Name: %63s", name);
            sscanf(line, "SigBlk: %llx", &mask);
        }
        fclose(file);
        count++;
        for (int bit = 1; bit <= 64; bit++) {
            /* No mask can hold these two, and the C library keeps two for itself. */
            if (bit == SIGKILL || bit == SIGSTOP || bit == 32 || bit == 33)
                continue;
            int blocked = (mask >> (bit - 1)) & 1;
            if (blocked == is_crash(bit)) {
                fprintf(stderr, "thread %s: signal %d is %s\n", name, bit, blocked ? "blocked" : "open");
                exit(1);
            }
        }
    }
    closedir(tasks);
    return count;
}

static char inherited[1000];

static void check_descriptors(void)
{
    int checked = 0;
    for (int fd = 0; fd < 1000; fd++) {
        int flags = fcntl(fd, F_GETFD);
        if (flags < 0 || inherited[fd])
            continue;
        checked++;
        if (!(flags & FD_CLOEXEC)) {
            char path[64], what[256] = "";
            snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
            CHECK(readlink(path, what, sizeof what - 1) > 0);
            fprintf(stderr, "an exec would inherit %s\n", what);
            exit(1);
        }
    }
    CHECK(checked > 10);
}

static char folder[256];

/* A caller with a mask of its own makes everything. */
static void *work(void *unused)
{
    (void)unused;
    sigset_t mask;
    sigemptyset(&mask);
    sigaddset(&mask, SIGSEGV);
    sigaddset(&mask, SIGUSR1);
    CHECK(pthread_sigmask(SIG_SETMASK, &mask, NULL) == 0);
    enum { CLIENTS = 100 };
    chat_client *clients[CLIENTS];
    chat_server *server = server_new();
    for (int i = 0; i < CLIENTS; i++) {
        char name[32], profile[300];
        snprintf(name, sizeof name, "user%d", i);
        snprintf(profile, sizeof profile, "%s/%d", folder, i);
        chat_client_options options = client_options(server, name);
        /* Some have a database each. */
        options.profile = i % 4 == 0 ? profile : NULL;
        CHECK_OK(chat_client_new(&options, &clients[i]));
        CHECK_OK(chat_client_connect(clients[i], NULL));
        /* A password takes its time: not all of them at once. */
        if (i >= 4)
            CHECK_OK(chat_event_free(next_of(clients[i - 4], CHAT_EVENT_CONNECTED)));
    }
    for (int i = CLIENTS - 4; i < CLIENTS; i++)
        CHECK_OK(chat_event_free(next_of(clients[i], CHAT_EVENT_CONNECTED)));
    uint64_t request;
    for (int i = 0; i < CLIENTS; i++) {
        CHECK_OK(chat_client_send(clients[i], "lobby", "hi", NULL, &request));
        CHECK_OK(status_of(reply_to(clients[i], request)));
    }
    /* Names are looked up by the library's threads, too. */
    chat_client_options options = client_options(server, "ann");
    options.address = "localhost:1";
    chat_client *client;
    CHECK_OK(chat_client_new(&options, &client));
    CHECK_OK(chat_client_connect(client, &request));
    CHECK_IS(status_of(reply_to(client, request)), CHAT_CANNOT_CONNECT);
    CHECK_OK(chat_client_free(client));

    int threads = check_threads();
    fprintf(stderr, "%d threads\n", threads);
    CHECK(threads <= 4);
    check_descriptors();
    /* The mask of the caller is as it was. */
    sigset_t now;
    CHECK(pthread_sigmask(SIG_SETMASK, NULL, &now) == 0);
    CHECK(sigismember(&now, SIGSEGV) == 1 && sigismember(&now, SIGUSR2) == 0);
    for (int i = 0; i < CLIENTS; i++)
        CHECK_OK(chat_client_free(clients[i]));
    CHECK_OK(chat_server_free(server));

    /* A server with a folder has one thread more, which ends with it. */
    server = server_in(folder, "127.0.0.1:0");
    client = client_new(server, "ann");
    CHECK_OK(chat_client_search(client, NULL, "x", NULL, &request));
    CHECK_OK(status_of(reply_to(client, request)));
    threads = check_threads();
    CHECK(threads <= 5);
    CHECK_OK(chat_client_free(client));
    CHECK_OK(chat_server_free(server));
    threads = check_threads();
    CHECK(threads <= 4);
    return NULL;
}

int main(void)
{
    for (int fd = 0; fd < 1000; fd++)
        inherited[fd] = fcntl(fd, F_GETFD) >= 0;
    new_folder(folder, sizeof folder);
    pthread_t thread;
    sigset_t all;
    sigfillset(&all);
    CHECK(pthread_create(&thread, NULL, work, NULL) == 0);
    /* This thread is the one whose mask does not count. */
    pthread_sigmask(SIG_SETMASK, &all, NULL);
    pthread_join(thread, NULL);
    return 0;
}
