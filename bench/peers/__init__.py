"""The same report conversation three times: this application, python-telegram-bot, aiogram. `bench.conversation` runs them."""
