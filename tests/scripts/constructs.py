# -*- coding: utf-8 -*-
"""Every way in which Python code calls Python code, one after the other, each
for a few milliseconds at a time.

Marks are those of known_chain.py. The functions `case_...` name the ways.
"""
import asyncio
import ctypes
import functools
import json
import sys
import time

SLICE = 0.012


def spin():
    end = time.perf_counter() + SLICE                   #: spin
    number = 1                                          #: spin
    while time.perf_counter() < end:                    #: spin
        number = (number * 3 + 1) & 65535               #: spin
    return number                                       #: spin


# Generators.

def numbers():
    yield 1                                             #: numbers
    spin()                                              #: numbers > spin
    yield 2                                             #: numbers


def case_generator():
    for number in numbers():                            #: case_generator > numbers
        str(number)                                     #: case_generator


def outer_numbers():
    yield 0                                             #: outer_numbers
    yield from numbers()                                #: outer_numbers > numbers


def case_yield_from():
    for number in outer_numbers():                      #: case_yield_from > outer_numbers
        str(number)                                     #: case_yield_from


def case_generator_expression():
    total = sum(spin() for _ in range(1))               #: case_generator_expression > <genexpr>; <genexpr> > spin
    return total                                        #: case_generator_expression


# Coroutines.

class Pause:
    def __await__(self):
        yield self                                      #: __await__
        spin()                                          #: __await__ > spin


async def innermost():
    await Pause()                                       #: innermost > __await__


async def by_hand():
    await innermost()                                   #: by_hand > innermost


def case_coroutine():
    coroutine = by_hand()                               #: case_coroutine > by_hand
    coroutine.send(None)                                #: case_coroutine > by_hand
    try:                                                #: case_coroutine
        coroutine.send(None)                            #: case_coroutine > by_hand
    except StopIteration:                               #: case_coroutine
        pass                                            #: case_coroutine


async def ticks():
    yield 1                                             #: ticks
    spin()                                              #: ticks > spin


async def service():
    await asyncio.sleep(0)                              #: service
    async for tick in ticks():                          #: service > ticks
        str(tick)                                       #: service


async def main_task():
    await asyncio.gather(service(), service())          #: main_task > service


def case_asyncio():
    asyncio.run(main_task())                            #: case_asyncio > main_task; case_asyncio > service


# Comprehensions and small functions.

def case_list_comprehension():
    return [spin() for _ in range(1)]                   #: case_list_comprehension > spin; case_list_comprehension > <listcomp>; <listcomp> > spin


def case_dictionary_comprehension():
    return {n: spin() for n in range(1)}                #: case_dictionary_comprehension > spin; case_dictionary_comprehension > <dictcomp>; <dictcomp> > spin


def case_lambda():
    return (lambda: spin())()                           #: case_lambda > <lambda>; <lambda> > spin


# Classes.

class Widget:
    def __init__(self, size):
        self.size = size                                #: __init__
        spin()                                          #: __init__ > spin

    @property                                           #: width
    def width(self):
        return spin()                                   #: width > spin

    def __getitem__(self, key):
        return spin()                                   #: __getitem__ > spin

    def __add__(self, other):
        return spin()                                   #: __add__ > spin

    def __call__(self):
        return spin()                                   #: __call__ > spin

    def __enter__(self):
        return spin()                                   #: __enter__ > spin

    def __exit__(self, *exc):
        spin()                                          #: __exit__ > spin


class SmallWidget(Widget):
    def __init__(self):
        super().__init__(1)                             #: __init__ > __init__


WIDGET = Widget(2)


def case_constructor():
    return SmallWidget()                                #: case_constructor > __init__


def case_property():
    return WIDGET.width                                 #: case_property > width


def case_subscript():
    return WIDGET["key"]                                #: case_subscript > __getitem__


def case_operator():
    return WIDGET + 1                                   #: case_operator > __add__


def case_callable_object():
    return WIDGET()                                     #: case_callable_object > __call__


def case_with():
    with WIDGET:                                        #: case_with > __enter__; case_with > __exit__
        pass                                            #: case_with > __exit__


def case_class_body():
    class Body:                                         #: case_class_body > Body; Body
        value = spin()                                  #: Body > spin
    return Body                                         #: case_class_body


# Python called by C.

def key_of(item):
    return spin()                                       #: key_of > spin


def case_sorted():
    return sorted([1], key=key_of)                      #: case_sorted > key_of


def case_map():
    return list(map(key_of, [1]))                       #: case_map > key_of


def case_reduce():
    return functools.reduce(key_pair, [1, 2])           #: case_reduce > key_pair


def key_pair(left, right):
    return spin()                                       #: key_pair > spin


COMPARE = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_int), ctypes.POINTER(ctypes.c_int)
)


def compare(left, right):
    spin()                                              #: compare > spin
    return left[0] - right[0]                           #: compare


LIBC = ctypes.CDLL(None)
COMPARE_POINTER = COMPARE(compare)


def case_ctypes_qsort():
    array = (ctypes.c_int * 2)(2, 1)                                    #: case_ctypes_qsort
    LIBC.qsort(array, 2, ctypes.sizeof(ctypes.c_int), COMPARE_POINTER)  #: case_ctypes_qsort > compare


# Code from strings.

TEXT = "\n\ndef from_text(call):\n    return call()\n\nfrom_text(spin)\n"
COMPILED = compile(TEXT, "<string>", "exec")


def case_exec_string():
    exec(COMPILED, {"spin": spin})                      #: case_exec_string > spin


def case_eval_string():
    eval("spin()", {"spin": spin})                      #: case_eval_string > spin


# Decorators.

def twice(function):
    @functools.wraps(function)                          #: wrapper
    def wrapper(*arguments):
        return function(*arguments)                     #: wrapper > decorated
    return wrapper


@twice                                                  #: decorated
def decorated(number):
    return spin()                                       #: decorated > spin


def case_decorated():
    return decorated(1)                                 #: case_decorated > wrapper


@functools.lru_cache(maxsize=None)                      #: cached
def cached(number):
    return spin()                                       #: cached > spin


def case_cached():
    cached.cache_clear()                                #: case_cached
    return cached(1)                                    #: case_cached > cached


# Names.

def größe_数():
    return spin()                                       #: größe_数 > spin


def 𝒹ouble():                                           #: double
    return spin()                                       #: double > spin


def case_names():
    größe_数()                                          #: case_names > größe_数
    𝒹ouble()                                            #: case_names > double


# Exceptions.

def raises():
    spin()                                              #: raises > spin
    raise KeyError(1)                                   #: raises


def case_exception():
    try:                                                #: case_exception
        raises()                                        #: case_exception > raises
    except KeyError:                                    #: case_exception
        spin()                                          #: case_exception > spin
    finally:                                            #: case_exception
        spin()                                          #: case_exception > spin


CASES = [value for name, value in sorted(globals().items()) if name.startswith("case_")]
INLINED = sys.version_info >= (3, 12)


def expected(case):
    """Chains of names below `case` with spin at the end; several where the way
    has several parts."""
    return {
        "case_generator": [["numbers"]],
        "case_yield_from": [["outer_numbers", "numbers"]],
        "case_generator_expression": [["<genexpr>"]],
        "case_coroutine": [["by_hand", "innermost", "__await__"]],
        "case_asyncio": [["service", "ticks"]],
        "case_list_comprehension": [[] if INLINED else ["<listcomp>"]],
        "case_dictionary_comprehension": [[] if INLINED else ["<dictcomp>"]],
        "case_lambda": [["<lambda>"]],
        "case_constructor": [["__init__", "__init__"]],
        "case_property": [["width"]],
        "case_subscript": [["__getitem__"]],
        "case_operator": [["__add__"]],
        "case_callable_object": [["__call__"]],
        "case_with": [["__enter__"], ["__exit__"]],
        "case_class_body": [["Body"]],
        "case_sorted": [["key_of"]],
        "case_map": [["key_of"]],
        "case_reduce": [["key_pair"]],
        "case_ctypes_qsort": [["compare"]],
        "case_exec_string": [["<module>", "from_text"]],
        "case_eval_string": [["<module>"]],
        "case_decorated": [["wrapper", "decorated"]],
        "case_cached": [["cached"]],
        "case_names": [["größe_数"], ["double"]],
        "case_exception": [["raises"], []],
    }[case]


print(json.dumps({case.__name__: expected(case.__name__) for case in CASES}), flush=True)
while True:                                             #: <module>
    for case in CASES:                                  #: <module>
        case()                                          #: <module> > *
