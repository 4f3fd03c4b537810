#include "byte_map.h"

static bool is_itself(uint32_t c)
{
    return (c >= 0x21 && c <= 0x7e) || (c >= 0xa1 && c <= 0xac) || (c >= 0xae && c <= 0xff);
}

/* The others are 00-20, 7F-A0 and AD. */
uint32_t byte_map_character(unsigned char byte)
{
    if (is_itself(byte))
        return byte;
    return 0x100u + (byte <= 0x20 ? byte : byte == 0xad ? 0x43u : byte - 0x7fu + 0x21u);
}

bool byte_map_byte(uint32_t code, unsigned char *byte)
{
    if (code > 0x143 || (code < 0x100 && !is_itself(code)))
        return false;
    uint32_t rank = code - 0x100;
    *byte = (unsigned char)(code < 0x100   ? code
                            : rank <= 0x20 ? rank
                            : rank == 0x43 ? 0xad
                                           : rank - 0x21 + 0x7f);
    return true;
}
