from program import greet

greet()
