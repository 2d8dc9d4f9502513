# unit tests: build/test/unit/*; prove runs them
