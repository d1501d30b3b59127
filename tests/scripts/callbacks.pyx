"""Compiled: calls back into Python from C, by several ways."""


def through_call(function):
    return function()


cdef object inner(object function):
    return [function() for _ in range(1)]


def through_c_function(function):
    return inner(function)


def through_generator(function):
    yield function()


class Caller:
    def __init__(self, function):
        self.function = function

    def __len__(self):
        self.function()
        return 1
