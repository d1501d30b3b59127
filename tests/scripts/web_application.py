"""An application for a server that has Python in it. Marks are those of
known_chain.py.
"""


def spin():
    number = 1                              #: spin
    for _ in range(60000):                  #: spin
        number = (number * 3 + 1) & 65535   #: spin
    return number                           #: spin


def answer():
    return b"%d\n" % spin()                 #: answer > spin


def application(environment, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])     #: application
    return [answer()]                       #: application > answer
