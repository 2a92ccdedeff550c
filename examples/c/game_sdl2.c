/* A tiny game with a chat over it: fly through the stars with the arrow keys, collect coins, and talk.
 *
 *   gcc game_sdl2.c -o game_sdl2 $(pkg-config --cflags --libs chat sdl2) -lSDL2_test
 *   CHAT_PASSWORD='correct horse battery' ./game_sdl2 'chat://ann@127.0.0.1:7878?fp=SHA256:...' ann.profile
 *
 * Enter opens the line to type in and sends it, Escape closes it, or the game.
 *
 * The chat never holds the game up: each frame takes the events that are there and goes on. There is no
 * thread, no lock and no callback in this file.
 */

#include <chat.h>

#include <SDL.h>
#include <SDL_test_font.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WIDTH 640
#define HEIGHT 400
#define LINES 6
#define LINE_CHARACTERS 78
#define ROOM "lobby"

struct said {
    char from[20];
    char text[LINE_CHARACTERS];
};

static struct said lines[LINES]; /* what is shown, the newest last */
static char typed[200];
static int typing;
static float ship_x = WIDTH / 2.f, ship_y = 150.f;
static float coin_x = 420.f, coin_y = 150.f;
static int coins;
static int online;

/* Copies text and puts a `?` in place of what the letters of this game don't have. */
static void copy_letters(char *to, size_t size, const char *text)
{
    size_t end = 0;

    for (; *text != '\0' && end + 1 < size; text++) {
        unsigned char byte = (unsigned char)*text;
        if (byte < 0x80)
            to[end++] = byte >= ' ' && byte != 0x7f ? *text : ' ';
        else if (byte >= 0xc0) /* the first byte of a longer character; the others are passed over */
            to[end++] = '?';
    }
    to[end] = '\0';
}

static void show(const char *from, const char *text)
{
    memmove(&lines[0], &lines[1], sizeof lines - sizeof lines[0]);
    copy_letters(lines[LINES - 1].from, sizeof lines[0].from, from);
    copy_letters(lines[LINES - 1].text, sizeof lines[0].text, text);
}

static void say(chat_client *client, const char *text)
{
    if (chat_client_send(client, ROOM, text, NULL, NULL) != CHAT_OK)
        show("", chat_last_error());
}

/* Once per frame. With 0 it never waits. */
static void take_events(chat_client *client)
{
    chat_event *event;

    while (chat_client_next_event(client, 0, &event) == CHAT_OK && event != NULL) {
        switch (chat_event_get_type(event)) {
        case CHAT_EVENT_CONNECTED:
            online = 1;
            break;
        case CHAT_EVENT_MESSAGE:
            show(chat_event_from(event), chat_event_text(event));
            break;
        case CHAT_EVENT_RECONNECTING: /* the game goes on; what is said waits in the outbox */
            online = 0;
            break;
        case CHAT_EVENT_REPLY:
        case CHAT_EVENT_CLOSED:
            if (chat_event_status(event) != CHAT_OK) {
                show("", chat_event_message(event));
                fprintf(stderr, "game_sdl2: %s\n", chat_event_message(event));
            }
            break;
        default:
            break;
        }
        chat_event_free(event);
    }
}

static void open_line(int open)
{
    typing = open;
    typed[0] = '\0';
    if (open)
        SDL_StartTextInput();
    else
        SDL_StopTextInput();
}

/* Returns 0 when the player leaves. */
static int take_input(chat_client *client)
{
    SDL_Event input;

    while (SDL_PollEvent(&input)) {
        if (input.type == SDL_QUIT)
            return 0;
        if (input.type == SDL_TEXTINPUT && typing
            && strlen(typed) + strlen(input.text.text) < sizeof typed)
            strcat(typed, input.text.text);
        if (input.type != SDL_KEYDOWN)
            continue;
        switch (input.key.keysym.sym) {
        case SDLK_ESCAPE:
            if (!typing)
                return 0;
            open_line(0);
            break;
        case SDLK_RETURN:
            if (typing && typed[0] != '\0')
                say(client, typed);
            open_line(!typing);
            break;
        case SDLK_BACKSPACE: /* one character, which may have several bytes */
            if (typing) {
                size_t end = strlen(typed);
                while (end > 0 && ((unsigned char)typed[--end] & 0xc0) == 0x80)
                    continue;
                typed[end] = '\0';
            }
            break;
        default:
            break;
        }
    }
    return 1;
}

static void play(chat_client *client, float seconds)
{
    const Uint8 *keys = SDL_GetKeyboardState(NULL);
    /* After a frame that took long the game goes on from there: nothing is jumped over. */
    float step = 220.f * SDL_min(seconds, .05f);

    if (!typing) {
        ship_x += step * (float)(keys[SDL_SCANCODE_RIGHT] - keys[SDL_SCANCODE_LEFT]);
        ship_y += step * (float)(keys[SDL_SCANCODE_DOWN] - keys[SDL_SCANCODE_UP]);
        ship_x = SDL_clamp(ship_x, 10.f, WIDTH - 10.f);
        ship_y = SDL_clamp(ship_y, 10.f, 270.f);
    }
    if (SDL_fabsf(ship_x - coin_x) < 18.f && SDL_fabsf(ship_y - coin_y) < 18.f) {
        char text[64];
        coins++;
        snprintf(text, sizeof text, "has %d coin%s", coins, coins == 1 ? "" : "s");
        say(client, text);
        coin_x = (float)(40 + coins * 197 % (WIDTH - 80));
        coin_y = (float)(30 + coins * 89 % 230);
    }
}

/* Each name has its colour. */
static void colour_of(SDL_Renderer *screen, const char *name)
{
    static const Uint8 colours[][3] = {
        {255, 170, 90}, {120, 220, 130}, {120, 190, 255}, {240, 150, 220}, {240, 225, 110}, {130, 230, 225},
    };
    unsigned number = 5381;

    for (; *name != '\0'; name++)
        number = number * 31 + (unsigned char)*name;
    number %= sizeof colours / sizeof *colours;
    SDL_SetRenderDrawColor(screen, colours[number][0], colours[number][1], colours[number][2], 255);
}

static void rectangle(SDL_Renderer *screen, int x, int y, int width, int height)
{
    SDL_Rect area = {x, y, width, height};
    SDL_RenderFillRect(screen, &area);
}

static void draw_world(SDL_Renderer *screen)
{
    char text[32];
    int x = (int)ship_x, y = (int)ship_y;

    SDL_SetRenderDrawColor(screen, 12, 14, 34, 255);
    SDL_RenderClear(screen);
    for (int star = 0; star < 90; star++) {
        Uint8 light = (Uint8)(90 + star * 53 % 150);
        SDL_SetRenderDrawColor(screen, light, light, light, 255);
        rectangle(screen, star * 263 % WIDTH, star * 151 % HEIGHT, 1 + star % 2, 1 + star % 2);
    }
    SDL_SetRenderDrawColor(screen, 250, 205, 70, 255);
    rectangle(screen, (int)coin_x - 5, (int)coin_y - 7, 10, 14);
    rectangle(screen, (int)coin_x - 7, (int)coin_y - 5, 14, 10);
    SDL_SetRenderDrawColor(screen, 225, 230, 240, 255);
    for (int row = 0; row < 20; row++)
        rectangle(screen, x - row / 2, y - 10 + row, row + 1, 1);
    SDL_SetRenderDrawColor(screen, 240, 110, 60, 255);
    rectangle(screen, x - 4, y + 10, 9, 5);

    snprintf(text, sizeof text, "coins %d", coins);
    SDL_SetRenderDrawColor(screen, 250, 205, 70, 255);
    SDLTest_DrawString(screen, 8, 8, text);
    if (online)
        SDL_SetRenderDrawColor(screen, 120, 220, 130, 255);
    else
        SDL_SetRenderDrawColor(screen, 240, 110, 60, 255);
    SDLTest_DrawString(screen, WIDTH - 8 * 8, 8, online ? " online" : "offline");
}

static void draw_chat(SDL_Renderer *screen)
{
    int y = HEIGHT - 24 - LINES * 14;

    SDL_SetRenderDrawColor(screen, 0, 0, 0, 150);
    rectangle(screen, 0, y - 8, WIDTH, HEIGHT - y + 8);
    for (int number = 0; number < LINES; number++, y += 14) {
        int x = 8;
        if (lines[number].from[0] != '\0') {
            colour_of(screen, lines[number].from);
            SDLTest_DrawString(screen, x, y, lines[number].from);
            x += 8 * (int)strlen(lines[number].from) + 8;
        }
        SDL_SetRenderDrawColor(screen, 225, 230, 240, 255);
        SDLTest_DrawString(screen, x, y, lines[number].text);
    }
    if (typing) {
        char shown[LINE_CHARACTERS];
        size_t end = strlen(typed), room = sizeof shown - 6;
        copy_letters(shown, sizeof shown - 2, typed + (end > room ? end - room : 0));
        strcat(shown, "_");
        SDL_SetRenderDrawColor(screen, 250, 205, 70, 255);
        SDLTest_DrawString(screen, 8, y + 2, ">");
        SDLTest_DrawString(screen, 24, y + 2, shown);
    } else {
        SDL_SetRenderDrawColor(screen, 110, 115, 140, 255);
        SDLTest_DrawString(screen, 8, y + 2, "Enter: talk");
    }
}

static int run(chat_client *client)
{
    SDL_Window *window = SDL_CreateWindow("A game with a chat", SDL_WINDOWPOS_CENTERED,
                                          SDL_WINDOWPOS_CENTERED, WIDTH, HEIGHT, 0);
    SDL_Renderer *screen =
        window == NULL ? NULL : SDL_CreateRenderer(window, -1, SDL_RENDERER_PRESENTVSYNC);
    Uint64 before = SDL_GetTicks64();

    if (screen == NULL) {
        fprintf(stderr, "game_sdl2: %s\n", SDL_GetError());
        SDL_DestroyWindow(window);
        return 1;
    }
    SDL_SetRenderDrawBlendMode(screen, SDL_BLENDMODE_BLEND);
    open_line(0);
    while (take_input(client)) {
        Uint64 now = SDL_GetTicks64();
        take_events(client);
        play(client, (float)(now - before) / 1000.f);
        before = now;
        draw_world(screen);
        draw_chat(screen);
        SDL_RenderPresent(screen);
        SDL_Delay(10); /* where there is no vertical retrace to wait for */
    }
    SDLTest_CleanupTextDrawing();
    SDL_DestroyRenderer(screen);
    SDL_DestroyWindow(window);
    return 0;
}

int main(int argc, char **argv)
{
    chat_client_options options;
    chat_client *client = NULL;
    int result = 1;

    if (argc != 3) {
        fprintf(stderr, "usage: game_sdl2 LINK PROFILE\n");
        return 2;
    }
    chat_client_options_init(&options, sizeof options);
    options.address = argv[1];
    options.profile = argv[2];
    options.password = getenv("CHAT_PASSWORD");
    options.register_account = 1;
    options.trust = CHAT_TRUST_ACCEPT_NEW;
    options.patient = 1; /* the game begins, whether the server is there or not */
    if (chat_client_new(&options, &client) != CHAT_OK
        || chat_client_connect(client, NULL) != CHAT_OK) {
        fprintf(stderr, "game_sdl2: %s\n", chat_last_error());
    } else if (SDL_Init(SDL_INIT_VIDEO) != 0) {
        fprintf(stderr, "game_sdl2: %s\n", SDL_GetError());
    } else {
        result = run(client);
        SDL_Quit();
    }
    chat_client_close(client, 1000);
    chat_client_free(client);
    return result;
}
