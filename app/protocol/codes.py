"""Close codes and what a client does about each."""

from __future__ import annotations

from enum import IntEnum


class CloseCode(IntEnum):
    """Why a connection was closed. Clients come back after codes below 4500 and stay away from 4500 on."""

    BYE = 1000
    GOING_AWAY = 1001
    PROTOCOL_ERROR = 1002
    NOT_UTF8 = 1007
    TOO_BIG = 1009
    RESTART = 1012
    OVERLOADED = 1013
    SLOW_CONSUMER = 4001
    NO_PONG = 4002
    STATE_LOST = 4003
    TOKEN_EXPIRED = 4004
    FLOOD = 4005
    BAD_TOKEN = 4500
    BAD_MESSAGES = 4501
    NO_HELLO = 4502
    KICKED = 4503
    BANNED = 4504
    TOO_MANY_CONNECTIONS = 4505
    VERSION = 4506


REASONS = {
    CloseCode.RESTART: "restart",
    CloseCode.OVERLOADED: "overloaded",
    CloseCode.SLOW_CONSUMER: "slow consumer",
    CloseCode.NO_PONG: "no pong",
    CloseCode.STATE_LOST: "state lost",
    CloseCode.TOKEN_EXPIRED: "token expired",
    CloseCode.FLOOD: "flood",
    CloseCode.BAD_TOKEN: "bad token",
    CloseCode.BAD_MESSAGES: "bad messages",
    CloseCode.NO_HELLO: "no hello in time",
    CloseCode.KICKED: "kicked",
    CloseCode.BANNED: "banned",
    CloseCode.TOO_MANY_CONNECTIONS: "too many connections",
}
