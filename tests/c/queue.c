/* Waiting for events: the descriptor, the callback, interrupts, one waiter at a time, and the end of it. */
#include "check.h"

#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>

static chat_client *client;
static atomic_int calls;
static sem_t called;
static chat_status in_callback[5];

/* A callback that does what one must not do. */
static void wakeup(void *user)
{
    if (atomic_fetch_add(&calls, 1) == 0) {
        chat_event *event;
        in_callback[0] = chat_client_free(client);
        in_callback[1] = chat_client_next_event(client, 10, &event);
        in_callback[2] = chat_client_set_wakeup(client, NULL, NULL);
        in_callback[3] = chat_client_new(NULL, &client);
        in_callback[4] = chat_client_close(NULL, 0);
    }
    sem_post(user);
}

static atomic_int entered, left;
static sem_t go;

static void slow(void *user)
{
    (void)user;
    atomic_store(&entered, 1);
    sem_post(&called);
    sem_wait(&go);
    usleep(20000);
    atomic_store(&left, 1);
}

static void *release(void *user)
{
    (void)user;
    usleep(20000);
    sem_post(&go);
    return NULL;
}

static int readable(int fd, int timeout)
{
    struct pollfd poll_fd = {.fd = fd, .events = POLLIN, .revents = 0};
    CHECK(poll(&poll_fd, 1, timeout) >= 0);
    return poll_fd.revents & POLLIN;
}

/* Waits for the end of the wait; events that come meanwhile are none. */
static void *waiter(void *result)
{
    chat_event *event;
    chat_status status;
    do {
        event = NULL;
        status = chat_client_next_event(client, -1, &event); /* the other thread looks now and then */
        if (event != NULL)
            CHECK_OK(chat_event_free(event));
    } while (status == CHAT_BUSY || event != NULL);
    *(chat_status *)result = status;
    return NULL;
}

/* Begins to wait in another thread, and makes sure that it does. */
static pthread_t begin_to_wait(chat_status *result)
{
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, waiter, result) == 0);
    chat_event *event;
    chat_status status;
    while ((status = chat_client_next_event(client, 0, &event)) == CHAT_OK)
        CHECK_OK(chat_event_free(event));
    CHECK_IS(status, CHAT_BUSY);
    return thread;
}

static void empty(void)
{
    chat_event *event;
    do {
        CHECK_OK(chat_client_next_event(client, 0, &event));
    } while (event != NULL && chat_event_free(event) == CHAT_OK);
}

/* Whether the descriptor is unreadable once all is taken. Signals may come at any time, so it is tried again. */
static int falls_silent(int fd)
{
    for (int i = 0; i < 1000; i++) {
        empty();
        if (!readable(fd, 0))
            return 1;
    }
    return 0;
}

int main(void)
{
    sem_init(&called, 0, 0);
    sem_init(&go, 0, 0);
    chat_server *server = server_new();
    chat_client_options options = client_options(server, "ann");
    CHECK_OK(chat_client_new(&options, &client));
    int fd = chat_client_fd(client);
    CHECK(fd >= 0 && !readable(fd, 0));
    chat_event *event;
    CHECK_OK(chat_client_next_event(client, 0, &event));
    CHECK(event == NULL);
    CHECK_IS(chat_client_next_event(client, 0, NULL), CHAT_INVALID);

    /* Level-triggered: readable as long as anything waits, and no longer. */
    client_connect(client);
    CHECK(falls_silent(fd));
    uint64_t request;
    CHECK_OK(chat_client_rooms(client, NULL, &request));
    CHECK(readable(fd, PATIENCE_MS) && readable(fd, 0) && readable(fd, 0));
    CHECK_OK(status_of(reply_to(client, request)));
    CHECK(falls_silent(fd));

    /* One at a time; an interrupt ends the wait without an event, now or when it begins. */
    chat_status result;
    pthread_t thread = begin_to_wait(&result);
    CHECK_OK(chat_client_interrupt(client));
    pthread_join(thread, NULL);
    CHECK_OK(result);
    CHECK_OK(chat_client_interrupt(client));
    CHECK_OK(chat_client_next_event(client, -1, &event));
    CHECK(event == NULL);

    /* The callback: told of what waits already, then once per time that it got something to do. */
    CHECK_OK(chat_client_rooms(client, NULL, NULL));
    CHECK(readable(fd, PATIENCE_MS));
    CHECK_OK(chat_client_set_wakeup(client, wakeup, &called));
    sem_wait(&called);
    CHECK_IS(in_callback[0], CHAT_MISUSE);
    CHECK_IS(in_callback[1], CHAT_MISUSE);
    CHECK_IS(in_callback[2], CHAT_MISUSE);
    CHECK_IS(in_callback[3], CHAT_INVALID);
    CHECK_IS(in_callback[4], CHAT_BAD_HANDLE);
    empty();
    CHECK_OK(chat_client_rooms(client, NULL, NULL));
    sem_wait(&called);
    CHECK_OK(chat_client_set_wakeup(client, NULL, NULL));
    int before = atomic_load(&calls);
    empty();
    CHECK_OK(chat_client_rooms(client, NULL, &request));
    CHECK_OK(status_of(reply_to(client, request)));
    CHECK(atomic_load(&calls) == before);

    /* Taking the callback away waits for the one that runs. */
    CHECK_OK(chat_client_set_wakeup(client, slow, NULL));
    CHECK_OK(chat_client_rooms(client, NULL, NULL));
    sem_wait(&called);
    pthread_t helper;
    CHECK(pthread_create(&helper, NULL, release, NULL) == 0);
    CHECK_OK(chat_client_set_wakeup(client, NULL, NULL));
    CHECK(atomic_load(&entered) && atomic_load(&left));
    pthread_join(helper, NULL);

    /* Closing wakes; afterwards it is readable for ever, also when nothing is left to take. */
    thread = begin_to_wait(&result);
    CHECK_OK(chat_client_close(client, 1000));
    pthread_join(thread, NULL);
    CHECK_IS(result, CHAT_CLOSED);
    CHECK_IS(chat_client_next_event(client, -1, &event), CHAT_CLOSED);
    CHECK(readable(fd, 0));
    CHECK_OK(chat_client_close(client, 0));
    CHECK_OK(chat_client_free(client));

    /* Freeing wakes, too, and waits until everybody is out. */
    client = client_new(server, "bob");
    thread = begin_to_wait(&result);
    CHECK_OK(chat_client_free(client));
    pthread_join(thread, NULL);
    CHECK_IS(result, CHAT_CLOSED);
    CHECK_OK(chat_server_free(server));
    return 0;
}
