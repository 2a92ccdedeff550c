/* Text of other people for a terminal. Never print it as it is: an escape sequence in it could rename
 * the window, move the cursor, or fake what others said. */

#ifndef PRINTABLE_H
#define PRINTABLE_H

#include <stddef.h>

/* Puts a `?` in place of each control character. Valid until the next call. */
static const char *printable(const char *text)
{
    static char safe[17 * 1024]; /* a message has at most 16 KiB */
    size_t end = 0;

    for (; *text != '\0' && end < sizeof safe - 1; text++) {
        unsigned char byte = (unsigned char)*text, next = (unsigned char)text[1];
        if (byte < 0x20 || byte == 0x7f) {
            safe[end++] = '?';
        } else if (byte == 0xc2 && next >= 0x80 && next < 0xa0) { /* U+0080 to U+009F in UTF-8 */
            safe[end++] = '?';
            text++;
        } else {
            safe[end++] = (char)byte;
        }
    }
    safe[end] = '\0';
    return safe;
}

#endif
